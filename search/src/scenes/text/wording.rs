//! Wording of kinds, relations and references.

use rand::RngExt as _;
use rand::seq::IndexedRandom as _;
use rand_chacha::ChaCha8Rng;

use crate::scenes::attributes::{Attribute, Color, Filling, Kind, Shape, Size};
use crate::scenes::text::reference::{Order, Place, Reference, Relation};

/// One or several of something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Count {
    One,
    Several,
}

/// Word choices of one sentence.
///
/// A sentence that says "disc" for a circle says so to its end.
pub(crate) struct Wording<'r> {
    rng: &'r mut ChaCha8Rng,
    /// The word for an object of any shape, and its plural.
    object: (&'static str, &'static str),
    other_shape_words: bool,
    other_color_words: bool,
    other_size_words: bool,
}

impl<'r> Wording<'r> {
    /// Draws the word choices of a sentence.
    ///
    /// If it asks for the shape, `asks_shape`, things are not called shapes.
    pub(crate) fn new(rng: &'r mut ChaCha8Rng, asks_shape: bool) -> Wording<'r> {
        let objects = [("object", "objects"), ("thing", "things"), ("shape", "shapes"), ("shape", "shapes")];
        let object = objects[rng.random_range(0..if asks_shape { 2 } else { 4 })];
        let mut other = || rng.random_bool(0.3);
        let (other_shape_words, other_color_words, other_size_words) = (other(), other(), other());
        Wording { rng, object, other_shape_words, other_color_words, other_size_words }
    }

    /// The generator of the sentence.
    pub(crate) fn rng(&mut self) -> &mut ChaCha8Rng {
        self.rng
    }

    /// Picks any of the words.
    pub(crate) fn pick(&mut self, words: &[&'static str]) -> &'static str {
        words.choose(self.rng).copied().unwrap_or_default()
    }

    fn shape(&self, shape: Option<Shape>, count: Count) -> &'static str {
        let other = self.other_shape_words;
        let (one, several) = match shape {
            None => self.object,
            Some(Shape::Circle) if other => ("disc", "discs"),
            Some(Shape::Circle) => ("circle", "circles"),
            Some(Shape::Square) => ("square", "squares"),
            Some(Shape::Triangle) => ("triangle", "triangles"),
            Some(Shape::Star) => ("star", "stars"),
            Some(Shape::Hexagon) => ("hexagon", "hexagons"),
            Some(Shape::Ring) if other => ("hoop", "hoops"),
            Some(Shape::Ring) => ("ring", "rings"),
            Some(Shape::Cross) if other => ("plus sign", "plus signs"),
            Some(Shape::Cross) => ("cross", "crosses"),
            Some(Shape::Heart) => ("heart", "hearts"),
        };
        if count == Count::One { one } else { several }
    }

    fn color(&self, color: Color) -> &'static str {
        match color {
            Color::Cyan if self.other_color_words => "turquoise",
            Color::Purple if self.other_color_words => "violet",
            other => other.name(),
        }
    }

    fn size(&self, size: Size) -> &'static str {
        match size {
            Size::Small if self.other_size_words => "little",
            Size::Large if self.other_size_words => "big",
            other => other.name(),
        }
    }

    /// A kind without an article: "small striped red star", "red shapes".
    pub(crate) fn noun(&mut self, kind: &Kind, count: Count) -> String {
        let mut adjectives = [kind.filling.map(Filling::name), kind.color.map(|color| self.color(color))];
        if self.rng.random_bool(0.25) {
            adjectives.reverse();
        }
        let words = kind.size.map(|size| self.size(size)).into_iter().chain(adjectives.into_iter().flatten());
        words.chain([self.shape(kind.shape, count)]).collect::<Vec<_>>().join(" ")
    }

    /// A kind as by [`Wording::noun`], whose attributes may stand behind the noun.
    ///
    /// Nothing may follow that could be mistaken to belong to a word at the end.
    pub(crate) fn noun_at_end(&mut self, kind: &Kind, count: Count) -> String {
        if !self.rng.random_bool(0.3) {
            return self.noun(kind, count);
        }
        let be = if count == Count::One { "is" } else { "are" };
        let (rest, behind) = match (kind.filling, kind.color) {
            (Some(Filling::Striped), _) => (Kind { filling: None, ..*kind }, "with stripes".to_owned()),
            (Some(Filling::Solid), _) => (Kind { filling: None, ..*kind }, "without stripes".to_owned()),
            (None, Some(color)) => (Kind { color: None, ..*kind }, format!("that {be} {}", self.color(color))),
            (None, None) => return self.noun(kind, count),
        };
        format!("{} {behind}", self.noun(&rest, count))
    }

    /// A relation in words: "left of", "higher than", ….
    pub(crate) fn relation(&mut self, relation: Relation) -> &'static str {
        self.pick(match relation {
            Relation::LeftOf => &["left of", "to the left of", "on the left of"],
            Relation::RightOf => &["right of", "to the right of", "on the right of"],
            Relation::Above => &["above", "above", "higher than"],
            Relation::Below => &["below", "under", "beneath", "lower than"],
        })
    }

    /// A place in words: "left of the red star".
    pub(crate) fn place(&mut self, place: &Place) -> String {
        format!("{} the {}", self.relation(place.relation), self.noun(&place.anchor, Count::One))
    }

    /// A reference in words.
    ///
    /// "the red star left of the ring", "the second star from the left", …
    pub(crate) fn reference(&mut self, reference: &Reference) -> String {
        let name = match reference {
            Reference::Kind(kind) => self.noun_at_end(kind, Count::One),
            Reference::Placed { kind, places } => {
                let places = places.iter().map(|p| self.place(p)).collect::<Vec<_>>().join(" and ");
                let link = self.pick(&["", "", "", "that is ", "which is "]);
                format!("{} {link}{places}", self.noun(kind, Count::One))
            }
            Reference::Ranked { kind, order, rank } => self.ranked(kind, *order, *rank),
            Reference::Closest { kind, anchor } => {
                let near = self.pick(&["closest to", "nearest to", "that is closest to"]);
                format!("{} {near} the {}", self.noun(kind, Count::One), self.noun(anchor, Count::One))
            }
        };
        format!("the {name}")
    }

    fn ranked(&mut self, kind: &Kind, order: Order, rank: usize) -> String {
        let noun = self.noun(kind, Count::One);
        let side = match order {
            Order::FromLeft => "left",
            Order::FromRight => "right",
            Order::FromTop => "top",
            Order::FromBottom => "bottom",
            Order::FromLargest | Order::FromSmallest => "",
        };
        if let Some(rank) = ["second", "third", "fourth", "fifth", "sixth"].get(rank.wrapping_sub(2)) {
            return format!("{rank} {noun} from the {side}");
        }
        if matches!(order, Order::FromLeft | Order::FromRight) && self.rng.random_bool(0.35) {
            return format!("{noun} {} {side}", self.pick(&["farthest to the", "on the far"]));
        }
        format!("{} {noun}", self.first(order))
    }

    /// The first of an order in words: "leftmost", "highest", ….
    pub(crate) fn first(&mut self, order: Order) -> &'static str {
        self.pick(match order {
            Order::FromLeft => &["leftmost"],
            Order::FromRight => &["rightmost"],
            Order::FromTop => &["highest", "topmost", "uppermost"],
            Order::FromBottom => &["lowest", "bottommost"],
            Order::FromLargest => &["largest", "biggest"],
            Order::FromSmallest => &["smallest", "tiniest"],
        })
    }

    /// The word for an attribute.
    pub(crate) fn attribute(&mut self, attribute: Attribute) -> &'static str {
        match attribute {
            Attribute::Shape => "shape",
            Attribute::Color => "color",
            Attribute::Size => "size",
            Attribute::Filling => "pattern",
        }
    }

    /// A counted kind: "one star", "three red shapes".
    pub(crate) fn counted(&mut self, kind: &Kind, count: usize) -> String {
        let number = ["no", "one", "two", "three", "four", "five", "six"].get(count).copied().unwrap_or("many");
        format!("{number} {}", self.noun(kind, if count == 1 { Count::One } else { Count::Several }))
    }

    /// A kind with its article: "a small star", "an orange ring".
    pub(crate) fn a(&mut self, kind: &Kind) -> String {
        with_article(&self.noun(kind, Count::One))
    }
}

/// The noun with "a" or "an" before it.
pub(crate) fn with_article(noun: &str) -> String {
    let article = if noun.starts_with(['a', 'e', 'i', 'o', 'u']) { "an" } else { "a" };
    format!("{article} {noun}")
}

/// A list in words: "A", "A and B", "A, B and C".
pub(crate) fn list(items: &[String]) -> String {
    match items {
        [] => String::new(),
        [one] => one.clone(),
        [most @ .., last] => format!("{} and {last}", most.join(", ")),
    }
}

/// Number of words, as the tokenizer counts them.
pub(crate) fn word_count(text: &str) -> usize {
    text.split_whitespace().count()
}
