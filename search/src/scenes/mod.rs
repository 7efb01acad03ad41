//! Synthetic scenes of flat shapes, with questions, captions and phrases about them.
//!
//! They are data for all three tasks at any size. A [`Scene`] is drawn from a seed and the image's
//! number alone. Questions ([`Question`]), captions ([`Statement`]) and phrases ([`Reference`]) are
//! structures first, whose meaning is computed on the scene, and words second.

pub mod attributes;
pub mod dataset;
pub mod language_prior;
pub mod render;
pub mod scene;
pub mod text;

pub use attributes::{Attribute, Color, Filling, Kind, Look, Shape, Size};
pub use dataset::{Settings, Written, write};
pub use language_prior::LanguagePrior;
pub use render::outline::Outline;
pub use render::regions::{CROP, FEATURES, JITTER, form_sha256, regions};
pub use scene::{MARGIN, MAX_OBJECTS, MAX_OVERLAP, Object, SIDE, Scene, overlap};
pub use text::captions::{CAPTIONS, Caption, CaptionWriter, MAX_CAPTION_WORDS};
pub use text::phrases::{Phrase, phrases};
pub use text::question::{Answer, Comparison, Question};
pub use text::questions::{AskedQuestion, MAX_WORDS, questions};
pub use text::reference::{NEARER, Order, Place, Reference, Relation};
pub use text::statement::{Quarter, Statement};
