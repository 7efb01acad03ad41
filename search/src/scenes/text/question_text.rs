//! Questions in words.

use rand::RngExt as _;
use rand_chacha::ChaCha8Rng;

use crate::scenes::attributes::{Attribute, Kind};
use crate::scenes::text::question::{Comparison, Question};
use crate::scenes::text::reference::{Place, Reference};
use crate::scenes::text::wording::{Count, Voice, with_article};

/// Puts the question in words, in any of the ways to say it.
pub(crate) fn in_words(question: &Question, rng: &mut ChaCha8Rng) -> String {
    let asks_shape = matches!(
        question,
        Question::Query { attribute: Attribute::Shape, .. } | Question::Same { attribute: Attribute::Shape, .. }
    );
    let several = rng.random_bool(0.3);
    let voice = &mut Voice::new(rng, asks_shape);
    let text = match question {
        Question::Exists { kind, place } => {
            let (asked, count) = if several {
                (voice.pick(&["are there any", "do you see any", "does the picture show any"]), Count::Several)
            } else {
                (voice.pick(&["is there", "is there", "can you see", "does the picture show"]), Count::One)
            };
            let noun = noun(voice, kind, place, count);
            format!("{asked} {}", if several { noun } else { with_article(&noun) })
        }
        Question::Count { kind, place } => {
            let (before, after) = match (voice.pick(&["are", "see", "number"]), place) {
                ("are", Some(_)) => ("how many", " are"),
                ("are", None) => ("how many", voice.pick(&[" are there", " are in the picture"])),
                ("see", _) => ("how many", " do you see"),
                _ => ("what is the number of", ""),
            };
            let noun = match place {
                Some(_) => voice.noun(kind, Count::Several),
                None => voice.noun_at_end(kind, Count::Several),
            };
            let place = place.as_ref().map(|p| format!(" {}", voice.place(p))).unwrap_or_default();
            format!("{before} {noun}{after}{place}")
        }
        Question::Query { attribute, of } => query(voice, *attribute, of),
        Question::Compare { comparison, first, second } => {
            let (first, second) = (voice.noun(first, Count::Several), voice.noun(second, Count::Several));
            let asked = voice.pick(&["are there", "are there", "do you see", "does the picture show"]);
            match comparison {
                Comparison::More => format!("{asked} more {first} than {second}"),
                Comparison::Fewer => format!("{asked} fewer {first} than {second}"),
                Comparison::Equal => match voice.pick(&["as", "equally"]) {
                    "as" => format!("{asked} as many {first} as {second}"),
                    _ => format!("{asked} equally many {first} and {second}"),
                },
            }
        }
        Question::Verify { subject, place } => {
            let (subject, place) = (voice.noun(subject, Count::One), voice.place(place));
            match voice.pick(&["is", "is", "lie"]) {
                "lie" => format!("does the {subject} lie {place}"),
                _ => format!("is the {subject} {place}"),
            }
        }
        Question::Same { attribute, first, second } => {
            let what = voice.attribute(*attribute);
            let (first, second) = (voice.noun(first, Count::One), voice.noun(second, Count::One));
            match voice.pick(&["do", "does", "is"]) {
                "do" => format!("do the {first} and the {second} have the same {what}"),
                "does" => format!("does the {first} have the same {what} as the {second}"),
                _ => format!("is the {first} of the same {what} as the {second}"),
            }
        }
    };
    text + "?"
}

/// The kind, and where it is.
fn noun(voice: &mut Voice<'_>, kind: &Kind, place: &Option<Place>, count: Count) -> String {
    match place {
        None => voice.noun_at_end(kind, count),
        Some(place) => format!("{} {}", voice.noun(kind, count), voice.place(place)),
    }
}

fn query(voice: &mut Voice<'_>, attribute: Attribute, of: &Reference) -> String {
    let (what, name) = (voice.attribute(attribute), voice.reference(of));
    let own: &[&'static str] = match attribute {
        Attribute::Shape => &["what is", "what kind of shape is"],
        Attribute::Color => &["what color is", "which color is"],
        Attribute::Size => &["how big is", "how large is"],
        Attribute::Filling => &["striped or solid", "solid or striped"],
    };
    match (voice.pick(&["own", "own", "of", "have"]), attribute) {
        ("own", Attribute::Filling) => format!("is {name} {}", voice.pick(own)),
        ("own", _) => format!("{} {name}", voice.pick(own)),
        ("of", _) => format!("what is the {what} of {name}"),
        _ => format!("{} {what} does {name} have", voice.pick(&["what", "which"])),
    }
}
