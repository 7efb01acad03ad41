//! Named parameters of a network.

use std::collections::BTreeMap;
use tch::Tensor;

/// Named parameters in the order of their names.
pub type Parameters = BTreeMap<String, Tensor>;
