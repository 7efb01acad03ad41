//! A stage: its graphs, its inputs and its outputs.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::manifest::form::{Form, Precision, Variant};

/// One ONNX file of a stage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Graph {
    /// Which operators it uses.
    pub variant: Variant,
    /// Its number format.
    pub precision: Precision,
    /// File name.
    pub file: String,
    /// File of its weights, if they lie beside the graph.
    ///
    /// ONNX files end at 2 GiB. In the graph it has this name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<String>,
}

impl Graph {
    /// Operators and number format together.
    pub fn form(&self) -> Form {
        Form { variant: self.variant, precision: self.precision }
    }

    /// The graph's files.
    pub fn files(&self) -> impl Iterator<Item = &str> {
        [Some(self.file.as_str()), self.data.as_deref()].into_iter().flatten()
    }
}

/// Element type of a tensor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Dtype {
    /// 32-bit float.
    F32,
    /// 64-bit signed integer.
    I64,
    /// 8-bit unsigned integer.
    U8,
}

/// One dimension of a tensor: a number, or a name if it varies.
///
/// The same name is the same size in one call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Dim {
    /// Always this size.
    Fixed(usize),
    /// Varies from call to call.
    Named(String),
}

/// An input or output of a stage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TensorSpec {
    /// The graph's name for it.
    pub name: String,
    /// Element type.
    pub dtype: Dtype,
    /// Dimensions, outermost first.
    pub shape: Vec<Dim>,
    /// Whether the values are logarithms of what acts.
    ///
    /// Near zero a logarithm turns the rounding of its argument into any difference, so two such tensors are compared
    /// by their exponentials.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub logarithm: bool,
}

impl TensorSpec {
    /// A spec; in `shape`, text that parses as a number is a fixed size.
    pub fn new(name: impl Into<String>, dtype: Dtype, shape: &[&str]) -> TensorSpec {
        let dim = |d: &&str| d.parse().map_or_else(|_| Dim::Named((*d).to_owned()), Dim::Fixed);
        TensorSpec { name: name.into(), dtype, shape: shape.iter().map(dim).collect(), logarithm: false }
    }
}

/// A stage of the network: the same function in one or more graphs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stage {
    /// The files, any of which can run the stage.
    pub graphs: Vec<Graph>,
    /// What the stage reads.
    pub inputs: Vec<TensorSpec>,
    /// What it gives.
    pub outputs: Vec<TensorSpec>,
}

impl Stage {
    /// The graph of a form.
    pub fn graph(&self, form: Form) -> Option<&Graph> {
        self.graphs.iter().find(|graph| graph.form() == form)
    }

    /// Checks the stage's graphs and names; `field` names the stage in errors.
    ///
    /// There must be graphs, each form once; no two inputs or outputs may share a name.
    pub(crate) fn check(&self, file: &Path, field: &str) -> Result<()> {
        if self.graphs.is_empty() {
            return Err(Error::invalid(file, format!("{field}.graphs"), "at least one graph", "none"));
        }
        let twice = |names: Vec<String>| {
            let mut seen = std::collections::BTreeSet::new();
            names.into_iter().find(|name| !seen.insert(name.clone()))
        };
        let names = |specs: &[TensorSpec]| specs.iter().map(|spec| spec.name.clone()).collect::<Vec<_>>();
        let forms: Vec<String> = self.graphs.iter().map(|graph| graph.form().to_string()).collect();
        for (part, names) in [("graphs", forms), ("inputs", names(&self.inputs)), ("outputs", names(&self.outputs))] {
            if let Some(name) = twice(names) {
                return Err(Error::invalid(
                    file,
                    format!("{field}.{part}"),
                    "every name once",
                    format!("{name:?} twice"),
                ));
            }
        }
        Ok(())
    }
}
