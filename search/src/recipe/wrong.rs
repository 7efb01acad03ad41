//! What is wrong with a value of a recipe.

/// What is wrong with a recipe: field, what it must be, what it is.
pub(crate) type Wrong = (&'static str, &'static str, String);

/// As [`Wrong`], with a field's name that is put together.
pub(crate) type WrongOf = (String, String, String);
