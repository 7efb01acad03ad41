//! Attributes of nodes.

use crate::onnx::proto::{AttributeProto, attribute_type};

/// An attribute of a node.
#[derive(Debug, Clone)]
pub(crate) enum Attribute {
    Float(f32),
    Int(i64),
    Ints(Vec<i64>),
    Text(&'static str),
}

impl Attribute {
    /// The attribute as the message that ONNX files hold, under `name`.
    pub(super) fn proto(self, name: &str) -> AttributeProto {
        let mut proto = AttributeProto { name: Some(name.to_owned()), ..AttributeProto::default() };
        proto.r#type = Some(match self {
            Attribute::Float(f) => {
                proto.f = Some(f);
                attribute_type::FLOAT
            }
            Attribute::Int(i) => {
                proto.i = Some(i);
                attribute_type::INT
            }
            Attribute::Ints(ints) => {
                proto.ints = ints;
                attribute_type::INTS
            }
            Attribute::Text(text) => {
                proto.s = Some(text.as_bytes().to_vec());
                attribute_type::STRING
            }
        });
        proto
    }
}
