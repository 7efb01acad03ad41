//! Forms of graphs: their operators and their number format.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Which operators a graph uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Variant {
    /// ONNX Runtime's fused operators (`com.microsoft`) where they win.
    Ort,
    /// Standard operators only.
    Portable,
}

/// Number format of a graph's weights and states.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// 32-bit floats.
    Fp32,
    /// 16-bit floats; inputs and outputs stay 32 bits.
    Fp16,
    /// 8-bit integer weights, activations quantised while running.
    Int8,
}

impl Variant {
    /// The name in files.
    pub fn name(self) -> &'static str {
        match self {
            Variant::Ort => "ort",
            Variant::Portable => "portable",
        }
    }
}

impl Precision {
    /// The name in files.
    pub fn name(self) -> &'static str {
        match self {
            Precision::Fp32 => "fp32",
            Precision::Fp16 => "fp16",
            Precision::Int8 => "int8",
        }
    }

    /// The largest difference from the recorded outputs that `mmnas verify` accepts.
    ///
    /// In fp32 it is `|found − recorded| / max(1, largest |recorded|)` of every row, a row being the last of an output's
    /// dimensions: its numbers are sums of terms as large as the largest of them. Numbers of the vision stage, and of
    /// outputs of one dimension, count each for itself. In fp16 and int8 it is `‖found −
    /// recorded‖ / ‖recorded‖` of every output. It bounds damage and wrong arithmetic and is no promise: what a bundle's own graphs
    /// gave stands in its `measured`.
    pub fn tolerance(self) -> f64 {
        match self {
            Precision::Fp32 => 1e-4,
            Precision::Fp16 => 2e-2,
            Precision::Int8 => 0.2,
        }
    }
}

/// Operators and number format of a graph: `ort-fp32`, `portable-int8`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Form {
    /// Which operators.
    pub variant: Variant,
    /// Which numbers.
    pub precision: Precision,
}

impl Form {
    /// Fused operators in 32 bits: the default of exports.
    pub const ORT_FP32: Form = Form { variant: Variant::Ort, precision: Precision::Fp32 };

    /// All forms.
    pub fn all() -> impl Iterator<Item = Form> {
        let precisions = [Precision::Fp32, Precision::Fp16, Precision::Int8];
        let of = move |variant| precisions.map(|precision| Form { variant, precision });
        [Variant::Ort, Variant::Portable].into_iter().flat_map(of)
    }
}

impl fmt::Display for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.variant.name(), self.precision.name())
    }
}

impl From<Form> for String {
    fn from(form: Form) -> String {
        form.to_string()
    }
}

impl TryFrom<String> for Form {
    type Error = FormError;

    fn try_from(name: String) -> Result<Form, FormError> {
        name.parse()
    }
}

/// A name that no form has.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected one of {}, found {found:?}", Form::all().map(|f| f.to_string()).collect::<Vec<_>>().join(", "))]
pub struct FormError {
    found: String,
}

impl FromStr for Form {
    type Err = FormError;

    fn from_str(name: &str) -> Result<Form, FormError> {
        let found = || FormError { found: name.chars().take(80).collect() };
        Form::all().find(|form| form.to_string() == name).ok_or_else(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_print_as_they_parse() {
        assert_eq!(Form::all().count(), 6);
        for form in Form::all() {
            assert_eq!(form.to_string().parse(), Ok(form));
        }
        let error = "ort-fp8".parse::<Form>().unwrap_err().to_string();
        assert!(error.contains("portable-int8") && error.contains("ort-fp8"), "{error}");
    }
}
