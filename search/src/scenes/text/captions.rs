//! Captions of a scene: five different ones, true of it and of few others.

use rand::RngExt as _;
use rand::seq::{IndexedRandom as _, SliceRandom as _};
use rand_chacha::ChaCha8Rng;

use crate::scenes::attributes::{Attribute, Filling, Kind};
use crate::scenes::scene::{SIDE, Scene, weighted};
use crate::scenes::text::reference::{Order, Relation};
use crate::scenes::text::statement::{Quarter, Statement};
use crate::scenes::text::wording::{Count, Wording, list, word_count};
use crate::seed::rng;

/// Number of captions of an image, as in Flickr30K.
pub const CAPTIONS: usize = 5;
/// Largest number of words of a caption; the published setting cuts at 50 tokens.
pub const MAX_CAPTION_WORDS: usize = 48;
/// Number of other scenes that captions are compared with.
const OTHERS: u64 = 256;
/// Largest number of those scenes that a caption may be true of.
const TRUE_OF_OTHERS: usize = 1;
/// Number of drafts for an image's captions.
const DRAFTS: usize = 240;
/// Least distance from the middle lines of things said to be in a quarter.
const INSIDE: f32 = 0.06 * SIDE;

/// A caption and its meaning.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caption {
    /// Its meaning.
    pub statement: Statement,
    /// Its words.
    pub text: String,
}

/// Writes captions that are true of few other scenes.
#[derive(Debug)]
pub struct CaptionWriter {
    others: Vec<Scene>,
}

impl CaptionWriter {
    /// Draws the scenes that captions are compared with from `seed`; they are no image's.
    pub fn new(seed: u64) -> CaptionWriter {
        let other = |k| Scene::random(&mut rng(seed, "scene caption others", k));
        CaptionWriter { others: (0..OTHERS).map(other).collect() }
    }

    /// [`CAPTIONS`] captions of the scene, no two of which say the same.
    ///
    /// If too few are true of hardly another scene, the best of the rest follow.
    pub fn captions(&self, scene: &Scene, rng: &mut ChaCha8Rng) -> Vec<Caption> {
        let mut captions: Vec<Caption> = Vec::with_capacity(CAPTIONS);
        let mut rest: Vec<(usize, Caption)> = Vec::new();
        let mut forms = [0u32, 1, 2, 3, 4, 5, 6, 7];
        for number in 0..DRAFTS {
            if captions.len() == CAPTIONS {
                break;
            }
            if number % forms.len() == 0 {
                forms.shuffle(rng);
            }
            let Some(draft) = draft(forms[number % forms.len()], scene, rng) else { continue };
            let known = captions.iter().chain(rest.iter().map(|(_, caption)| caption));
            let same = |other: &Caption| other.statement == draft.statement || other.text == draft.text;
            if known.into_iter().any(same) || word_count(&draft.text) > MAX_CAPTION_WORDS {
                continue;
            }
            match self.others.iter().filter(|other| draft.statement.holds(other)).count() {
                0..=TRUE_OF_OTHERS => captions.push(draft),
                others => rest.push((others, draft)),
            }
        }
        rest.sort_by_key(|(others, _)| *others);
        let missing = CAPTIONS - captions.len();
        captions.extend(rest.into_iter().take(missing).map(|(_, caption)| caption));
        captions
    }
}

/// A caption of a form that the scene allows.
fn draft(form: u32, scene: &Scene, rng: &mut ChaCha8Rng) -> Option<Caption> {
    let mut order: Vec<usize> = (0..scene.objects.len()).collect();
    order.shuffle(rng);
    let mut draft = Draft { scene, wording: Wording::new(rng, false), order, statement: Statement::default() };
    let text = match form {
        0 => draft.pair()?,
        1 => draft.trio()?,
        2 => draft.row()?,
        3 => draft.tally()?,
        4 => draft.extremes()?,
        5 => draft.quarters()?,
        6 => draft.census()?,
        _ => draft.all()?,
    };
    Some(Caption { statement: draft.statement, text })
}

/// A caption that is being written.
///
/// `order` has the objects shuffled.
struct Draft<'a> {
    scene: &'a Scene,
    wording: Wording<'a>,
    order: Vec<usize>,
    statement: Statement,
}

impl Draft<'_> {
    /// Some attributes of an object, its shape and another at least.
    fn kind(&mut self, object: usize) -> Kind {
        let look = self.scene.objects[object].look;
        let mut told = vec![Attribute::Shape];
        let striped = look.filling == Filling::Striped;
        // Of a single object there is little more to say, so all of it must come up.
        let [color, filling] = match self.order.len() {
            1 => [0.5, 0.5],
            _ => [0.85, if striped { 0.7 } else { 0.25 }],
        };
        for (attribute, likely) in [(Attribute::Color, color), (Attribute::Size, 0.5), (Attribute::Filling, filling)] {
            if self.wording.rng().random_bool(likely) {
                told.push(attribute);
            }
        }
        if told.len() == 1 {
            told.push(Attribute::Color);
        }
        Kind::of(&look, &told)
    }

    /// Adds the object to the statement's things; "a small red star".
    fn thing(&mut self, object: usize) -> String {
        let kind = self.kind(object);
        self.statement.things.push(kind);
        self.wording.a(&kind)
    }

    /// Adds the number of objects to the statement; "five shapes".
    fn total(&mut self) -> String {
        let count = self.scene.objects.len();
        self.statement.counts.push((Kind::ANY, count));
        self.wording.counted(&Kind::ANY, count)
    }

    /// Adds a relation that the object `a` has to `b`; thing `thing` is `b`.
    fn link(&mut self, a: usize, b: usize, thing: usize) -> Option<&'static str> {
        let objects = &self.scene.objects;
        let holds = |r: &Relation| r.holds(&objects[a], &objects[b]);
        let relations: Vec<Relation> = Relation::ALL.into_iter().filter(holds).collect();
        let relation = *relations.choose(self.wording.rng())?;
        self.statement.links.push((0, relation, thing));
        Some(self.wording.relation(relation))
    }

    fn start(&mut self) -> &'static str {
        self.wording.pick(&["", "", "there is ", "the picture shows ", "you can see ", "an image of "])
    }

    /// A caption like "a red star left of a blue ring".
    fn pair(&mut self) -> Option<String> {
        let &[a, b, ..] = &self.order[..] else { return None };
        let (first, relation, second) = (self.thing(a), self.link(a, b, 1)?, self.thing(b));
        Some(format!("{}{first} {relation} {second}", self.start()))
    }

    /// A caption like that of a pair, with another object.
    ///
    /// "a red star left of a blue ring and above a green heart"
    fn trio(&mut self) -> Option<String> {
        let &[a, b, c, ..] = &self.order[..] else { return None };
        let (first, second, third) = (self.thing(a), self.thing(b), self.thing(c));
        let (to_second, to_third) = (self.link(a, b, 1)?, self.link(a, c, 2)?);
        let different = self.statement.links[0].1 != self.statement.links[1].1;
        different.then(|| format!("{}{first} {to_second} {second} and {to_third} {third}", self.start()))
    }

    /// A caption of all objects in a row.
    ///
    /// "from left to right the three shapes are a red star, a blue ring and a green heart"
    fn row(&mut self) -> Option<String> {
        let directions = [
            (Relation::LeftOf, Order::FromLeft, "from left to right"),
            (Relation::RightOf, Order::FromRight, "from right to left"),
            (Relation::Above, Order::FromTop, "from top to bottom"),
            (Relation::Below, Order::FromBottom, "from bottom to top"),
        ];
        let &(relation, order, direction) = directions.choose(self.wording.rng())?;
        let count = self.order.len();
        let sorted: Vec<usize> = (1..=count).flat_map(|rank| order.ranked(self.scene, &self.order, rank)).collect();
        let total = self.total();
        let things: Vec<String> = sorted.into_iter().map(|object| self.thing(object)).collect();
        self.statement.links = (1..count).map(|k| (k - 1, relation, k)).collect();
        let things = list(&things);
        (count > 1).then(|| match self.wording.pick(&["the", "total", "there"]) {
            "the" => format!("{direction} the {total} are {things}"),
            "total" => format!("{total}, {direction}: {things}"),
            _ => format!("there are {total}, {direction} {things}"),
        })
    }

    /// A caption like "four shapes: two stars, one ring and one heart".
    fn tally(&mut self) -> Option<String> {
        let attribute = Attribute::ALL[weighted(self.wording.rng(), &[4, 4, 1, 1])];
        let mut kinds: Vec<Kind> = Vec::new();
        for &object in &self.order {
            let kind = Kind::of(&self.scene.objects[object].look, &[attribute]);
            if !kinds.contains(&kind) {
                kinds.push(kind);
            }
        }
        let counted: Vec<String> = kinds
            .iter()
            .map(|kind| {
                let count = self.scene.of_kind(kind).len();
                self.statement.counts.push((*kind, count));
                self.wording.counted(kind, count)
            })
            .collect();
        let (counted, total) = (list(&counted), self.total());
        (kinds.len() > 1).then(|| match self.wording.pick(&["colon", "else", "all"]) {
            "colon" => format!("{total}: {counted}"),
            "else" => format!("{counted}, and nothing else"),
            _ => format!("{counted}, {total} in all"),
        })
    }

    /// A caption of the first objects in two orders.
    ///
    /// "the leftmost shape is a red star and the lowest one is a blue ring"
    fn extremes(&mut self) -> Option<String> {
        let mut parts = Vec::new();
        let orders: Vec<Order> =
            [&Order::PLACES[..], &Order::SIZES].concat().sample(self.wording.rng(), 2).copied().collect();
        for order in orders {
            let first = order.ranked(self.scene, &self.order, 1);
            let [object] = first[..] else { return None };
            let kind = self.kind(object);
            self.statement.extremes.push((order, kind));
            let noun = if parts.is_empty() { self.wording.noun(&Kind::ANY, Count::One) } else { "one".into() };
            parts.push(format!("the {} {noun} is {}", self.wording.first(order), self.wording.a(&kind)));
        }
        (self.order.len() > 1).then(|| list(&parts))
    }

    /// A caption of objects in quarters of the image.
    ///
    /// "a red star in the upper left and a blue ring in the lower right"
    fn quarters(&mut self) -> Option<String> {
        let inside = |&k: &usize| {
            let (x, y) = self.scene.objects[k].center();
            (x - SIDE / 2.0).abs() > INSIDE && (y - SIDE / 2.0).abs() > INSIDE
        };
        let objects: Vec<usize> = self.order.iter().copied().filter(inside).take(2).collect();
        let (high, low) = (self.wording.pick(&["upper", "top"]), self.wording.pick(&["lower", "bottom"]));
        let end = self.wording.pick(&["", "", " of the picture", " corner", " quarter"]);
        let mut parts = Vec::new();
        for (number, &object) in objects.iter().enumerate() {
            let (x, y) = self.scene.objects[object].center();
            let quarter = Quarter { upper: y < SIDE / 2.0, left: x < SIDE / 2.0 };
            self.statement.quarters.push((number, quarter));
            let (row, column) = (if quarter.upper { high } else { low }, if quarter.left { "left" } else { "right" });
            parts.push(format!("{} in the {row} {column}{end}", self.thing(object)));
        }
        if self.order.len() == 1 && !parts.is_empty() {
            self.total();
            return Some(format!("{} and nothing else", parts[0]));
        }
        (!parts.is_empty()).then(|| format!("{}{}", self.start(), list(&parts)))
    }

    /// A caption like "five shapes, among them a red star and a blue ring".
    fn census(&mut self) -> Option<String> {
        let &[a, b, _, ..] = &self.order[..] else { return None };
        let (total, first, second) = (self.total(), self.thing(a), self.thing(b));
        Some(match self.wording.pick(&["among", "one"]) {
            "among" => format!("{total}, among them {first} and {second}"),
            _ => format!("{total}, one of which is {first} and another {second}"),
        })
    }

    /// A caption like "nothing but a red star and a blue ring".
    fn all(&mut self) -> Option<String> {
        let objects = self.order.clone();
        if objects.len() > 3 {
            return None;
        }
        let things: Vec<String> = objects.into_iter().map(|object| self.thing(object)).collect();
        let (things, total) = (list(&things), self.total());
        Some(match self.wording.pick(&["only", "nothing", "else", "total"]) {
            "only" => format!("only {things}"),
            "nothing" => format!("nothing but {things}"),
            "else" => format!("{things}, and nothing else"),
            _ => format!("{total}: {things}"),
        })
    }
}
