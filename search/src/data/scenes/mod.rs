//! Made-up scenes of flat shapes, with questions, captions and phrases about them: data for all three tasks at any size, with
//! exact boxes and exactly one right answer to everything.
//!
//! A [`Scene`] is drawn from a seed and the image's number alone. Questions ([`Question`]), captions ([`Statement`]) and
//! phrases ([`Reference`]) are structures first, whose meaning is computed on the scene, and words second.

pub mod draw;

mod ask;
mod attributes;
mod captions;
mod describe;
mod folder;
mod outline;
mod phrases;
mod question;
mod question_alone;
mod questions;
mod reference;
mod regions;
mod scene;
mod statement;
mod voice;

pub use attributes::{Attribute, Color, Filling, Kind, Look, Shape, Size};
pub use captions::{CAPTIONS, Caption, CaptionWriter, MAX_CAPTION_WORDS};
pub use folder::{Settings, Written, write};
pub use outline::Outline;
pub use phrases::{Phrase, phrases};
pub use question::{Answer, Comparison, Question};
pub use question_alone::QuestionAlone;
pub use questions::{AskedQuestion, MAX_WORDS, questions};
pub use reference::{NEARER, Order, Place, Reference, Relation};
pub use regions::{CROP, FEATURES, JITTER, form_sha256, regions};
pub use scene::{MARGIN, MAX_OBJECTS, MAX_OVERLAP, Object, SIDE, Scene, overlap};
pub use statement::{Quarter, Statement};
