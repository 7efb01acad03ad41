//! Texts about a scene: questions, captions, references, and their words.

pub mod captions;
pub mod describe;
pub mod phrases;
pub mod question;
pub mod question_text;
pub mod questions;
pub mod reference;
pub mod statement;
pub mod wording;
