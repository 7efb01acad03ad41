//! A new operation, from its formula to a supernet that holds it.
//!
//! It stands beside the published ones. The operation is a channel gate (squeeze and excitation, Hu
//! et al., CVPR 2018). The mean over all positions says how much of each feature passes:
//! `op(x) = x · sigmoid(W₂ ReLU(W₁ mean(x)))`.
//!
//! `cargo run --release -p mmnas-search --example new_operation` runs it.

use mmnas_bundle::manifest::Dimensions;
use mmnas_search::nn::dropout::Dropout;
use mmnas_search::operations::kind::CandidateOp;
use mmnas_search::operations::residual_norm::ResidualNorm;
use mmnas_search::operations::{Context, OperationModule};
use mmnas_search::task::Task as _;
use mmnas_search::task::vqa::data::VqaData;
use mmnas_search::{Alpha, ArchPath, Error, Inputs, Naming, Network, Pool, Result, SamplingMode, Space};
use tch::nn::Module;
use tch::{Device, Kind, Tensor, nn};

/// Factor by which the features are squeezed between the two layers.
const SQUEEZE: usize = 4;

/// The entry of the pool.
///
/// It has the operation's name, where it may stand, what it reads, and how it is built.
#[derive(Debug)]
struct ChannelGateKind;

/// The operation in a network: parameters and the forward pass.
#[derive(Debug)]
struct ChannelGate {
    squeeze: nn::Linear,
    excite: nn::Linear,
    norm: ResidualNorm,
}

impl CandidateOp for ChannelGateKind {
    fn name(&self) -> &str {
        "channel_gate"
    }

    fn abbreviation(&self) -> &str {
        "GATE"
    }

    /// Says yes: it reads its input only.
    ///
    /// So it may stand over text as well as over regions.
    fn in_encoder(&self) -> bool {
        true
    }

    fn check(&self, dimensions: &Dimensions) -> Result<()> {
        if dimensions.hidden > 0 && dimensions.hidden.is_multiple_of(SQUEEZE) {
            return Ok(());
        }
        Err(Error::Operation {
            place: self.name().to_owned(),
            expected: format!("H to be a multiple of {SQUEEZE}"),
            found: format!("H = {}", dimensions.hidden),
        })
    }

    fn build(&self, vs: &nn::Path<'_>, dimensions: &Dimensions) -> Box<dyn OperationModule> {
        let (hidden, inner) = (dimensions.hidden as i64, (dimensions.hidden / SQUEEZE) as i64);
        Box::new(ChannelGate {
            squeeze: nn::linear(vs / "squeeze", hidden, inner, Default::default()),
            excite: nn::linear(vs / "excite", inner, hidden, Default::default()),
            norm: ResidualNorm::new(vs, dimensions.hidden),
        })
    }
}

impl OperationModule for ChannelGate {
    fn forward(&self, x: &Tensor, context: &Context<'_>) -> Tensor {
        // The mean of the positions that are there: padding must change nothing.
        let mean = match context.mask {
            Some(mask) => {
                let mask = mask.view([x.size()[0], x.size()[1], 1]);
                let count = mask.logical_not().sum_dim_intlist(1, true, Kind::Float);
                x.masked_fill(&mask, 0.0).sum_dim_intlist(1, true, Kind::Float) / count
            }
            None => x.mean_dim(1, true, Kind::Float),
        };
        let gate = self.excite.forward(&self.squeeze.forward(&mean).relu()).sigmoid();
        self.norm.forward(x, &(x * gate), context.dropout)
    }
}

/// Three questions of up to 5 words about up to 6 regions.
///
/// What lies beyond each count is padding.
fn inputs(dimensions: &Dimensions) -> Inputs {
    let float = (Kind::Float, Device::Cpu);
    let corner = Tensor::rand([3, 6, 2], float) * 300.0;
    let size = Tensor::rand([3, 6, 2], float) * 200.0 + 4.0;
    Inputs {
        tokens: Tensor::randint(dimensions.vocabulary as i64, [3, 5], (Kind::Int64, Device::Cpu)),
        features: Tensor::randn([3, 6, dimensions.feature as i64], float),
        boxes: Tensor::cat(&[&corner, &(&corner + size)], -1),
        token_count: vec![5, 3, 1],
        region_count: vec![6, 2, 4],
    }
}

/// The first `count` samples, cut to their longest.
fn first(inputs: &Inputs, count: usize) -> Inputs {
    let longest = |counts: &[i64]| counts[..count].iter().copied().max().unwrap_or(0);
    let (tokens, regions) = (longest(&inputs.token_count), longest(&inputs.region_count));
    let cut = |tensor: &Tensor, n: i64| tensor.narrow(0, 0, count as i64).narrow(1, 0, n);
    Inputs {
        tokens: cut(&inputs.tokens, tokens),
        features: cut(&inputs.features, regions),
        boxes: cut(&inputs.boxes, regions),
        token_count: inputs.token_count[..count].to_vec(),
        region_count: inputs.region_count[..count].to_vec(),
    }
}

pub(crate) fn main() -> Result<()> {
    let pool = Pool::standard().with(ChannelGateKind)?;
    let space = Space::new(
        &["self_att_64", "feed_forward", "channel_gate"],
        &["self_att_64", "rel_self_att_64", "guided_att_64", "feed_forward", "channel_gate"],
        (2, 3),
        &pool,
    )?;
    let dimensions = Dimensions {
        hidden: 64,
        feature: 32,
        embedding: 16,
        vocabulary: 20,
        outputs: 7,
        attflat: 32,
        head: 64,
        relation: 16,
        embeddings: None,
    };
    space.check(&dimensions)?;
    tch::manual_seed(1);
    let network = Network::new(&space, &dimensions, Naming::Supernet, Device::Cpu, VqaData::head);
    let inputs = inputs(&dimensions);

    // An architecture step runs all operations of every block; the gates' gradients say which of
    // them would have helped.
    let path = Alpha::uniform(&space).sample_gated(SamplingMode::Full, 1, "example", 0, Device::Cpu);
    let loss = network.forward(&inputs, &path, Dropout(0.1)).scores.square().sum(Kind::Float);
    let gradients = Tensor::f_run_backward(&[&loss], &path.gates(), false, false)?;
    let finite = gradients.iter().all(|g| g.abs().max().double_value(&[]).is_finite());
    println!(
        "{} parameters, {} blocks, finite gradients of all gates: {finite}",
        network.parameters().len(),
        space.len()
    );

    // The network that is a channel gate everywhere: padding changes no result.
    let last: Vec<usize> = space.blocks().map(|operations| operations.len() - 1).collect();
    let (gates, off) = (ArchPath::single(&last), Dropout(0.0));
    let whole = network.forward(&inputs, &gates, off).scores;
    let alone = network.forward(&first(&inputs, 1), &gates, off).scores;
    let difference = (whole.narrow(0, 0, 1) - alone).abs().max().double_value(&[]);
    let padded = network.forward(&first(&inputs, 2), &gates, off).scores;
    let difference = difference.max((whole.narrow(0, 0, 2) - padded).abs().max().double_value(&[]));
    println!("{}: a batch differs from its first samples by {difference:.1e}", space.architecture(&last));
    if finite && difference <= 1e-5 {
        return Ok(());
    }
    Err(Error::Operation {
        place: "channel_gate".to_owned(),
        expected: "finite gradients and padding that changes nothing".to_owned(),
        found: format!("finite: {finite}, difference: {difference:.1e}"),
    })
}
