//! Questions in words.

use rand::RngExt as _;
use rand_chacha::ChaCha8Rng;

use crate::scenes::attributes::{Attribute, Kind};
use crate::scenes::text::question::{Comparison, Question};
use crate::scenes::text::reference::{Place, Reference};
use crate::scenes::text::wording::{Count, Wording, with_article};

/// Puts the question in words, in any of the ways to say it.
pub(crate) fn in_words(question: &Question, rng: &mut ChaCha8Rng) -> String {
    let asks_shape = matches!(
        question,
        Question::Query { attribute: Attribute::Shape, .. } | Question::Same { attribute: Attribute::Shape, .. }
    );
    let several = rng.random_bool(0.3);
    let wording = &mut Wording::new(rng, asks_shape);
    let text = match question {
        Question::Exists { kind, place } => {
            let (asked, count) = if several {
                (wording.pick(&["are there any", "do you see any", "does the picture show any"]), Count::Several)
            } else {
                (wording.pick(&["is there", "is there", "can you see", "does the picture show"]), Count::One)
            };
            let noun = noun(wording, kind, place, count);
            format!("{asked} {}", if several { noun } else { with_article(&noun) })
        }
        Question::Count { kind, place } => {
            let (before, after) = match (wording.pick(&["are", "see", "number"]), place) {
                ("are", Some(_)) => ("how many", " are"),
                ("are", None) => ("how many", wording.pick(&[" are there", " are in the picture"])),
                ("see", _) => ("how many", " do you see"),
                _ => ("what is the number of", ""),
            };
            let noun = match place {
                Some(_) => wording.noun(kind, Count::Several),
                None => wording.noun_at_end(kind, Count::Several),
            };
            let place = place.as_ref().map(|p| format!(" {}", wording.place(p))).unwrap_or_default();
            format!("{before} {noun}{after}{place}")
        }
        Question::Query { attribute, of } => query(wording, *attribute, of),
        Question::Compare { comparison, first, second } => {
            let (first, second) = (wording.noun(first, Count::Several), wording.noun(second, Count::Several));
            let asked = wording.pick(&["are there", "are there", "do you see", "does the picture show"]);
            match comparison {
                Comparison::More => format!("{asked} more {first} than {second}"),
                Comparison::Fewer => format!("{asked} fewer {first} than {second}"),
                Comparison::Equal => match wording.pick(&["as", "equally"]) {
                    "as" => format!("{asked} as many {first} as {second}"),
                    _ => format!("{asked} equally many {first} and {second}"),
                },
            }
        }
        Question::Verify { subject, place } => {
            let (subject, place) = (wording.noun(subject, Count::One), wording.place(place));
            match wording.pick(&["is", "is", "lie"]) {
                "lie" => format!("does the {subject} lie {place}"),
                _ => format!("is the {subject} {place}"),
            }
        }
        Question::Same { attribute, first, second } => {
            let what = wording.attribute(*attribute);
            let (first, second) = (wording.noun(first, Count::One), wording.noun(second, Count::One));
            match wording.pick(&["do", "does", "is"]) {
                "do" => format!("do the {first} and the {second} have the same {what}"),
                "does" => format!("does the {first} have the same {what} as the {second}"),
                _ => format!("is the {first} of the same {what} as the {second}"),
            }
        }
    };
    text + "?"
}

/// The kind, and where it is.
fn noun(wording: &mut Wording<'_>, kind: &Kind, place: &Option<Place>, count: Count) -> String {
    match place {
        None => wording.noun_at_end(kind, count),
        Some(place) => format!("{} {}", wording.noun(kind, count), wording.place(place)),
    }
}

fn query(wording: &mut Wording<'_>, attribute: Attribute, of: &Reference) -> String {
    let (what, name) = (wording.attribute(attribute), wording.reference(of));
    let own: &[&'static str] = match attribute {
        Attribute::Shape => &["what is", "what kind of shape is"],
        Attribute::Color => &["what color is", "which color is"],
        Attribute::Size => &["how big is", "how large is"],
        Attribute::Filling => &["striped or solid", "solid or striped"],
    };
    match (wording.pick(&["own", "own", "of", "have"]), attribute) {
        ("own", Attribute::Filling) => format!("is {name} {}", wording.pick(own)),
        ("own", _) => format!("{} {name}", wording.pick(own)),
        ("of", _) => format!("what is the {what} of {name}"),
        _ => format!("{} {what} does {name} have", wording.pick(&["what", "which"])),
    }
}
