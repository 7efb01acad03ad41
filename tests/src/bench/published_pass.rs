//! The padded forward pass as the published code writes it: each block projects its queries, keys, values and relations by
//! itself, layer norms are written out, and all of the padding is computed. [`Network`] gives the same by fewer steps.

use mmnas_bundle::manifest::TaskName;
use mmnas_bundle::{Architecture, Operation, param_names};
use mmnas_search::nn::relation;
use mmnas_search::{Inputs, Network, Parameters};
use tch::{Kind, Tensor};

/// Scores of masked positions before a softmax (published).
const MASKED: f64 = -1e9;
/// Beside the deviation in a layer norm (published).
const NORM_EPSILON: f64 = 1e-6;
/// The smallest relation before its logarithm (published).
const MIN_RELATION: f64 = 1e-6;

/// What the published code's loader gives: relations come ready, and padding is what is zero.
#[derive(Debug)]
pub struct LoadedInputs {
    tokens: Tensor,
    features: Tensor,
    /// `[batch, n, n, 4]`.
    relations: Tensor,
}

impl LoadedInputs {
    /// Puts zeros where `inputs` have padding, in place: tokens, features and relations.
    pub fn new(inputs: &Inputs) -> LoadedInputs {
        let absent = |counts: &[i64], n: i64| {
            Tensor::arange(n, (Kind::Int64, tch::Device::Cpu))
                .unsqueeze(0)
                .ge_tensor(&Tensor::from_slice(counts).view([-1, 1]))
        };
        let no_token = absent(&inputs.token_count, inputs.tokens.size()[1]);
        let no_region = absent(&inputs.region_count, inputs.features.size()[1]);
        let relations = relation::relations(&inputs.boxes, Some(&no_region.unsqueeze(1).unsqueeze(1)));
        LoadedInputs {
            tokens: inputs.tokens.masked_fill(&no_token, 0),
            features: inputs.features.masked_fill(&no_region.unsqueeze(-1), 0.0),
            relations: relations.permute([1, 2, 3, 0]).contiguous(),
        }
    }
}

/// The parameters of a derived network of operations of the paper's space, and what to do with them.
#[derive(Debug)]
pub struct PublishedPass<'a> {
    task: TaskName,
    architecture: &'a Architecture,
    parameters: &'a Parameters,
    /// Width of a head.
    head: i64,
}

impl<'a> PublishedPass<'a> {
    /// Of a network that was derived from `architecture`.
    pub fn new(task: TaskName, architecture: &'a Architecture, network: &'a Network) -> Self {
        PublishedPass { task, architecture, parameters: network.parameters(), head: network.dimensions().head as i64 }
    }

    fn parameter(&self, name: &str) -> &Tensor {
        self.parameters.get(name).unwrap_or_else(|| panic!("no parameter {name}"))
    }

    /// The layer `name`; it has a bias where there is one.
    fn linear(&self, name: &str, x: &Tensor) -> Tensor {
        x.linear(self.parameter(&format!("{name}.weight")), self.parameters.get(&format!("{name}.bias")))
    }

    fn norm(&self, name: &str, x: &Tensor) -> Tensor {
        let (mean, std) = (x.mean_dim(-1, true, Kind::Float), x.std_dim(-1, true, true));
        let (gain, bias) = (self.parameter(&format!("{name}.a_2")), self.parameter(&format!("{name}.b_2")));
        gain * (x - mean) / (std + NORM_EPSILON) + bias
    }

    fn perceptron(&self, name: &str, x: &Tensor) -> Tensor {
        self.linear(&format!("{name}.linear"), &self.linear(&format!("{name}.fc.linear"), x).relu())
    }

    fn attention(&self, name: &str, x: &Tensor, y: &Tensor, mask: &Tensor, relation: Option<&Tensor>) -> Tensor {
        let (batch, width) = (x.size()[0], x.size()[2]);
        let heads = |part: &str, of: &Tensor| {
            self.linear(&format!("{name}.linear_{part}"), of)
                .view([batch, -1, width / self.head, self.head])
                .transpose(1, 2)
        };
        let (values, keys, queries) = (heads("v", y), heads("k", y), heads("q", x));
        let mut scores = queries.matmul(&keys.transpose(-2, -1)) / (self.head as f64).sqrt();
        if let Some(relation) = relation {
            let relation = self.linear(&format!("{name}.linear_r"), relation).relu().permute([0, 3, 1, 2]);
            scores = relation.clamp_min(MIN_RELATION).log() + scores;
        }
        let probabilities = scores.masked_fill(mask, MASKED).softmax(-1, Kind::Float);
        let attended = probabilities.matmul(&values).transpose(1, 2).contiguous().view([batch, -1, width]);
        self.linear(&format!("{name}.linear_merge"), &attended)
    }

    fn block(&self, name: &str, operation: &Operation, x: &Tensor, mask: &Tensor, other: &Other<'_>) -> Tensor {
        let attention = format!("{name}.mhatt");
        let output = match operation {
            Operation::SelfAttention => self.attention(&attention, x, x, mask, None),
            Operation::RelationSelfAttention => self.attention(&attention, x, x, mask, other.relation),
            Operation::GuidedAttention => self.attention(&attention, x, other.text.0, other.text.1, None),
            Operation::FeedForward => self.perceptron(&format!("{name}.mlp"), x),
            other => panic!("{other}: no operation of the paper's space"),
        };
        self.norm(&format!("{name}.ln"), &(x + output))
    }

    fn att_flat(&self, name: &str, x: &Tensor, mask: &Tensor) -> Tensor {
        let scores = self.perceptron(&format!("{name}.mlp"), x);
        let absent = mask.squeeze_dim(1).squeeze_dim(1).unsqueeze(2);
        let weights = scores.masked_fill(&absent, MASKED).softmax(1, Kind::Float);
        self.linear(&format!("{name}.linear_merge"), &(weights * x).sum_dim_intlist(1, false, Kind::Float))
    }

    /// Logits; for grounding `[batch, regions, 5]`, a score and four deltas.
    pub fn forward(&self, inputs: &LoadedInputs) -> Tensor {
        let mask = |x: &Tensor| x.abs().sum_dim_intlist(-1, false, Kind::Float).eq(0.0).unsqueeze(1).unsqueeze(2);
        let text_mask = mask(&inputs.tokens.unsqueeze(2).to_kind(Kind::Float));
        let region_mask = mask(&inputs.features);
        let words = Tensor::embedding(self.parameter("embedding.weight"), &inputs.tokens, -1, false, false);
        let lstm = ["weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0"]
            .map(|n| self.parameter(&format!("lstm.{n}")).shallow_clone());
        let start = || Tensor::zeros([1, words.size()[0], lstm[1].size()[1]], (Kind::Float, words.device()));
        let mut x = words.lstm(&[start(), start()], &lstm, true, 1, 0.0, false, false, true).0;
        let mut y = self.linear("imgfeat_linear", &inputs.features);
        let relation = self.linear("linear_y_rel", &inputs.relations).relu();
        for (index, operation) in self.architecture.encoder.iter().enumerate() {
            let other = Other { text: (&x, &text_mask), relation: None };
            x = self.block(&param_names::encoder_block(index), operation, &x, &text_mask, &other);
        }
        for (index, operation) in self.architecture.decoder.iter().enumerate() {
            let other = Other { text: (&x, &text_mask), relation: Some(&relation) };
            y = self.block(&param_names::decoder_block(index), operation, &y, &region_mask, &other);
        }
        let text = self.att_flat("attflat_x", &x, &text_mask);
        if self.task == TaskName::Vgd {
            let fused = self.norm("proj_norm", &(text.unsqueeze(1) + self.linear("attfc_y", &y)));
            return Tensor::cat(&[self.linear("proj_scores", &fused), self.linear("proj_reg", &fused)], -1);
        }
        self.linear("proj", &self.norm("proj_norm", &(text + self.att_flat("attflat_y", &y, &region_mask))))
    }
}

/// What a block may read beside its own side.
struct Other<'a> {
    /// The encoded text and its mask.
    text: (&'a Tensor, &'a Tensor),
    relation: Option<&'a Tensor>,
}
