//! Parameters that no step changes.

use mmnas_bundle::manifest::Dimensions;

/// Whether `name` is a parameter of a linear part of a network that has one: no step changes it.
pub(crate) fn is_fixed(name: &str, d: &Dimensions) -> bool {
    const FIXED: [&str; 5] = ["embed_w.weight", "embed_w.bias", "embed_a.weight", "embed_a.bias", "embed_factor"];
    d.joint_linear.or(d.region_joint).is_some() && FIXED.contains(&name)
}
