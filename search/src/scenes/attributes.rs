//! The attributes of an object's look.

use rand::seq::IndexedRandom as _;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

/// Defines an attribute's type: its values in order, each with its name.
macro_rules! attribute {
    ($(#[$doc:meta])* $name:ident: $($value:ident $word:literal),+) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(rename_all = "lowercase")]
        pub enum $name {
            $(#[doc = concat!("\"", $word, "\".")] $value),+
        }

        impl $name {
            /// All values.
            pub const ALL: &'static [$name] = &[$($name::$value),+];

            /// The value's name, which is also the answer to a question for it.
            pub const fn name(self) -> &'static str {
                match self { $($name::$value => $word),+ }
            }

            /// Any value, all equally likely.
            pub(crate) fn any(rng: &mut ChaCha8Rng) -> $name {
                *$name::ALL.choose(rng).unwrap_or(&$name::ALL[0])
            }
        }
    };
}

attribute!(
    /// The outline.
    Shape: Circle "circle", Square "square", Triangle "triangle", Star "star", Hexagon "hexagon", Ring "ring",
    Cross "cross", Heart "heart"
);
attribute!(
    /// The colour.
    Color: Red "red", Orange "orange", Yellow "yellow", Green "green", Cyan "cyan", Blue "blue", Purple "purple",
    Pink "pink"
);
attribute!(
    /// The size, in ascending order.
    ///
    /// The classes are far enough apart to be distinguished by eye.
    Size: Small "small", Medium "medium", Large "large"
);
attribute!(
    /// The inside of the outline: the colour alone, or stripes of it.
    Filling: Solid "solid", Striped "striped"
);

/// The name of an attribute.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Attribute {
    /// [`Shape`].
    Shape,
    /// [`Color`].
    Color,
    /// [`Size`].
    Size,
    /// [`Filling`].
    Filling,
}

impl Attribute {
    /// All attributes.
    pub const ALL: [Attribute; 4] = [Attribute::Shape, Attribute::Color, Attribute::Size, Attribute::Filling];
}

/// All attributes of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Look {
    /// The outline.
    pub shape: Shape,
    /// The colour.
    pub color: Color,
    /// The size.
    pub size: Size,
    /// The inside of the outline.
    pub filling: Filling,
}

impl Look {
    /// The name of the value of `attribute`.
    pub fn value(&self, attribute: Attribute) -> &'static str {
        match attribute {
            Attribute::Shape => self.shape.name(),
            Attribute::Color => self.color.name(),
            Attribute::Size => self.size.name(),
            Attribute::Filling => self.filling.name(),
        }
    }
}

/// Objects that share some attributes: "red star", "large object".
///
/// Without any attribute it is any object.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Kind {
    /// Only objects of this outline, if given.
    pub shape: Option<Shape>,
    /// Only objects of this colour, if given.
    pub color: Option<Color>,
    /// Only objects of this size, if given.
    pub size: Option<Size>,
    /// Only objects of this filling, if given.
    pub filling: Option<Filling>,
}

impl Kind {
    /// Any object.
    pub const ANY: Kind = Kind { shape: None, color: None, size: None, filling: None };

    /// The kind of those that share the given attributes with `look`.
    pub fn of(look: &Look, attributes: &[Attribute]) -> Kind {
        let has = |attribute| attributes.contains(&attribute);
        Kind {
            shape: has(Attribute::Shape).then_some(look.shape),
            color: has(Attribute::Color).then_some(look.color),
            size: has(Attribute::Size).then_some(look.size),
            filling: has(Attribute::Filling).then_some(look.filling),
        }
    }

    /// Whether an object that looks so is of the kind.
    pub fn matches(&self, look: &Look) -> bool {
        self.shape.is_none_or(|v| v == look.shape)
            && self.color.is_none_or(|v| v == look.color)
            && self.size.is_none_or(|v| v == look.size)
            && self.filling.is_none_or(|v| v == look.filling)
    }

    /// Whether the kind says something about `attribute`.
    pub fn tells(&self, attribute: Attribute) -> bool {
        match attribute {
            Attribute::Shape => self.shape.is_some(),
            Attribute::Color => self.color.is_some(),
            Attribute::Size => self.size.is_some(),
            Attribute::Filling => self.filling.is_some(),
        }
    }

    /// The kind with every value replaced by the first.
    ///
    /// Only the set of its attributes is left.
    pub(crate) fn form(&self) -> Kind {
        Kind {
            shape: self.shape.map(|_| Shape::ALL[0]),
            color: self.color.map(|_| Color::ALL[0]),
            size: self.size.map(|_| Size::ALL[0]),
            filling: self.filling.map(|_| Filling::ALL[0]),
        }
    }
}
