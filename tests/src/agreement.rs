//! The networks' outputs beside those of the published code, on any device.

use mmnas_bundle::Architecture;
use mmnas_bundle::manifest::Dimensions;
use mmnas_bundle::param_names;
use mmnas_search::nn::dropout::Dropout;
use mmnas_search::recipe::score_padding::ScorePadding;
use mmnas_search::task::Task;
use mmnas_search::task::itm::data::ItmData;
use mmnas_search::task::itm::loss as itm;
use mmnas_search::task::vgd::data::VgdData;
use mmnas_search::task::vgd::loss as vgd;
use mmnas_search::task::vqa::data::VqaData;
use mmnas_search::task::vqa::loss as vqa;
use mmnas_search::{
    Alpha, ArchPath, Choice, Inputs, MatmulPrecision, Naming, Network, Pool, SamplingMode, Space, TensorMap,
};
use tch::{Device, Kind, Tensor};

use crate::fixtures::{
    inputs, official, official_full, path, relative_norm, set_formula_weights, tensors, worst_difference,
};

/// What we compute and what the published code did.
#[derive(Debug)]
pub struct Pair {
    /// What it is.
    pub what: String,
    /// Ours.
    pub ours: Tensor,
    /// Recorded.
    pub theirs: Tensor,
    /// Norm of the terms that it is the sum of, where they are known to cancel out; rounding is in proportion to them.
    terms: f64,
}

impl Pair {
    fn new(what: impl Into<String>, ours: &Tensor, theirs: &Tensor) -> Pair {
        let here = |t: &Tensor| t.detach().to_device(Device::Cpu);
        Pair { what: what.into(), ours: here(ours), theirs: here(theirs), terms: 0.0 }
    }

    /// The largest absolute difference.
    pub fn absolute(&self) -> f64 {
        worst_difference(&self.ours, &self.theirs)
    }

    /// `‖ours − theirs‖ / ‖theirs‖`.
    pub fn relative(&self) -> f64 {
        relative_norm(&self.ours, &self.theirs)
    }

    /// `‖ours − theirs‖` over `‖theirs‖` or the norm of the terms that it is the sum of, whichever is larger.
    pub fn relative_to_terms(&self) -> f64 {
        let difference = (&self.ours - &self.theirs).to_kind(Kind::Double).norm().double_value(&[]);
        let scale = self.theirs.to_kind(Kind::Double).norm().double_value(&[]).max(self.terms);
        // Not finite stays that: it is within no tolerance.
        if scale == 0.0 { difference } else { difference / scale }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_are_by_what_cancels_out() {
        let pair = |ours: &[f64], theirs: &[f64], terms| Pair {
            terms,
            ..Pair::new("pair", &Tensor::from_slice(ours), &Tensor::from_slice(theirs))
        };
        assert_eq!(pair(&[3.0, 4.5], &[3.0, 4.0], 0.0).relative_to_terms(), 0.1);
        assert_eq!(pair(&[3.0, 4.5], &[3.0, 4.0], 50.0).relative_to_terms(), 0.01);
        assert_eq!(pair(&[0.5], &[0.0], 0.0).relative_to_terms(), 0.5);
        assert!(pair(&[f64::NAN], &[1.0], 0.0).relative_to_terms().is_nan());
    }
}

/// The path through a network that has one operation a block.
pub fn only_path(network: &Network) -> ArchPath {
    ArchPath::single(&vec![0; network.space().len()])
}

/// A derived network of the formula's weights.
pub fn derived<T: Task>(arch: &str, dimensions: &Dimensions, device: Device) -> Network {
    let architecture = Architecture::read(&path(arch)).unwrap_or_else(|e| panic!("{e}"));
    let space = Space::single(&architecture, &Pool::standard()).unwrap_or_else(|e| panic!("{e}"));
    let network = Network::new(&space, dimensions, Naming::Derived, device, T::head);
    set_formula_weights(&network);
    network
}

/// Sizes of a task's fixtures in `folder`, which has more outputs where it is full.
fn sizes(folder: &str, outputs: (usize, usize)) -> Dimensions {
    if folder == "official_full" { official_full(outputs.1) } else { official(128, outputs.0) }
}

fn tensors_on(name: &str, device: Device) -> TensorMap {
    tensors(name).into_iter().map(|(name, tensor)| (name, tensor.to_device(device))).collect()
}

/// The logits of `net_vqa` in `folder`.
pub fn net_vqa(folder: &str, device: Device, precision: MatmulPrecision) -> Pair {
    let mut network = derived::<VqaData>(&format!("{folder}/net_vqa.arch.json"), &sizes(folder, (17, 3129)), device);
    network.set_precision(precision);
    let io = tensors_on(&format!("{folder}/net_vqa.io.safetensors"), device);
    let logits = tch::no_grad(|| network.forward(&inputs(&io), &only_path(&network), Dropout(0.0))).scores;
    Pair::new(format!("{folder}, net_vqa, logits"), &logits, &io["logits"])
}

/// The scores of `net_itm` in `folder`.
pub fn net_itm(folder: &str, device: Device) -> Pair {
    let network = derived::<ItmData>(&format!("{folder}/net_itm.arch.json"), &sizes(folder, (1, 1)), device);
    let io = tensors_on(&format!("{folder}/net_itm.io.safetensors"), device);
    let logits = tch::no_grad(|| network.forward(&inputs(&io), &only_path(&network), Dropout(0.0))).scores;
    Pair::new(format!("{folder}, net_itm, scores"), &itm::score(&logits).view_as(&io["scores"]), &io["scores"])
}

/// The output of the head of `net_vgd` in `folder`, with its inputs and the record.
pub fn grounding(folder: &str, device: Device) -> (Tensor, Inputs, TensorMap) {
    let network = derived::<VgdData>(&format!("{folder}/net_vgd.arch.json"), &sizes(folder, (1, 1)), device);
    let io = tensors_on(&format!("{folder}/net_vgd.io.safetensors"), device);
    let inputs = inputs(&io);
    let output = tch::no_grad(|| network.forward(&inputs, &only_path(&network), Dropout(0.0))).scores;
    (output, inputs, io)
}

/// Log-probabilities and deltas of `net_vgd` in `folder`, with the published padding.
pub fn net_vgd(folder: &str, device: Device) -> [Pair; 2] {
    let (output, inputs, io) = grounding(folder, device);
    let ours = vgd::log_probabilities(&output, &inputs.region_count, ScorePadding::Published);
    [
        Pair::new(format!("{folder}, net_vgd, log-probabilities"), &ours, &io["log_probs"]),
        Pair::new(format!("{folder}, net_vgd, deltas"), &output.narrow(-1, 1, 4), &io["deltas"]),
    ]
}

/// The supernet of a `super_*` fixture with alpha = 8 · formula.
struct Supernet {
    fixture: &'static str,
    network: Network,
    alpha: Alpha,
    io: TensorMap,
    loss: fn(&Network, &TensorMap, &ArchPath) -> Tensor,
}

fn vqa_loss(network: &Network, io: &TensorMap, path: &ArchPath) -> Tensor {
    vqa::loss(&network.forward(&inputs(io), path, Dropout(0.0)).scores, &io["target"])
}

/// A second batch lies under `neg_`: its tokens are the negative captions, its regions the negative images.
fn itm_loss(network: &Network, io: &TensorMap, path: &ArchPath) -> Tensor {
    let counts = |name: String| Vec::<i64>::try_from(&io[&name]).unwrap_or_else(|e| panic!("{name}: {e}"));
    let run = |text: &str, image: &str| {
        let of = |prefix: &str, name: &str| io[&format!("{prefix}{name}")].shallow_clone();
        let inputs = Inputs {
            tokens: of(text, "tokens"),
            features: of(image, "features"),
            boxes: of(image, "boxes"),
            token_count: counts(format!("{text}token_count")),
            region_count: counts(format!("{image}region_count")),
        };
        network.forward(&inputs, path, Dropout(0.0)).scores
    };
    itm::loss(&run("", ""), &run("neg_", ""), &run("", "neg_"))
}

fn vgd_loss(network: &Network, io: &TensorMap, path: &ArchPath) -> Tensor {
    let inputs = inputs(io);
    let output = network.forward(&inputs, path, Dropout(0.0)).scores;
    let log_probabilities = vgd::log_probabilities(&output, &inputs.region_count, ScorePadding::Published);
    vgd::loss(&log_probabilities, &output.narrow(-1, 1, 4), &io["target_scores"], &io["box_mask"], &io["target_deltas"])
}

impl Supernet {
    fn new<T: Task>(
        fixture: &'static str,
        outputs: usize,
        loss: fn(&Network, &TensorMap, &ArchPath) -> Tensor,
        device: Device,
    ) -> Supernet {
        let space = Space::published(12, 18);
        let network = Network::new(&space, &official(64, outputs), Naming::Supernet, device, T::head);
        set_formula_weights(&network);
        let prefix = |block: usize| {
            if block < 12 { param_names::encoder_block(block) } else { param_names::decoder_block(block - 12) }
        };
        let alpha = |(block, ops): (usize, &[_])| {
            let name = format!("{}.alpha_prob", prefix(block));
            crate::fixtures::formula(&name, &[ops.len() as i64]).into_iter().map(|v| 8.0 * v).collect()
        };
        let values: Vec<Vec<f32>> = space.blocks().enumerate().map(alpha).collect();
        let io = tensors_on(&format!("official/{fixture}.io.safetensors"), device);
        Supernet { fixture, network, alpha: Alpha::from_values(&space, &values), io, loss }
    }

    fn indices(&self, name: &str) -> Vec<usize> {
        let indices = Vec::<i64>::try_from(&self.io[name]).unwrap_or_else(|e| panic!("{name}: {e}"));
        indices.into_iter().map(|k| k as usize).collect()
    }

    /// The number of operations of each block.
    fn sizes(&self) -> Vec<usize> {
        self.network.space().blocks().map(<[_]>::len).collect()
    }

    /// Runs the gated path; returns the loss beside the record, the gates' gradients and those of some weights.
    fn run(&self, mode: &str, path: &ArchPath, weights: &[&str]) -> (Pair, Vec<Tensor>) {
        let loss = (self.loss)(&self.network, &self.io, path);
        let mut wanted = path.gates();
        wanted.extend(weights.iter().map(|name| &self.network.parameters()[*name]));
        let gradients =
            Tensor::f_run_backward(&[&loss], &wanted, false, false).unwrap_or_else(|e| panic!("{}: {e}", self.fixture));
        let name = format!("{mode}.loss");
        (Pair::new(format!("{}, {name}", self.fixture), &loss, &self.io[&name].reshape(loss.size())), gradients)
    }

    fn blocks(&self, name: &str, ours: &[Tensor]) -> Vec<Pair> {
        let pair = |(block, ours): (usize, &Tensor)| {
            let name = format!("{name}.{block:02}");
            Pair::new(format!("{}, {name}", self.fixture), ours, &self.io[&name])
        };
        ours.iter().enumerate().map(pair).collect()
    }

    /// The alphas' gradients, and beside the record. One is `Σ J g` of the gates' g, whose parts cancel out where two operations are
    /// as good as each other: what one gate gives at a time says how large they are.
    fn alpha_gradients(&self, name: &str, path: &ArchPath, gates: &[Tensor]) -> (Vec<Tensor>, Vec<Pair>) {
        let ours = self.alpha.gradients(path, gates);
        let mut pairs = self.blocks(name, &ours);
        let largest = self.sizes().into_iter().max().unwrap_or(0);
        let mut terms: Vec<Tensor> = ours.iter().map(Tensor::zeros_like).collect();
        for k in 0..largest as i64 {
            let only = |gate: &Tensor| {
                gate * Tensor::arange(gate.size()[0], (Kind::Int64, gate.device())).eq(k).to_kind(gate.kind())
            };
            let of_one = self.alpha.gradients(path, &gates.iter().map(only).collect::<Vec<_>>());
            terms = terms.iter().zip(&of_one).map(|(sum, one)| sum + one.abs()).collect();
        }
        pairs.iter_mut().zip(&terms).for_each(|(pair, terms)| pair.terms = terms.norm().double_value(&[]));
        (ours, pairs)
    }

    fn full_mode(&self) -> SupernetPairs {
        let device = self.network.device();
        let choice =
            |(active, n): (usize, usize)| Choice::gated(active, (0..n).filter(|&k| k != active).collect(), n, device);
        let path = ArchPath(self.indices("full.active").into_iter().zip(self.sizes()).map(choice).collect());
        let weights = ["imgfeat_linear.weight", "lstm.weight_ih_l0"];
        let (loss, gradients) = self.run("full", &path, &weights);
        let (gates, of_weights) = gradients.split_at(path.0.len());
        let mut pairs = self.blocks("full.gate_grad", gates);
        pairs.extend(self.alpha_gradients("full.alpha_grad", &path, gates).1);
        for (name, ours) in weights.iter().zip(of_weights) {
            let name = format!("full.grad.{name}");
            pairs.push(Pair::new(format!("{}, {name}", self.fixture), ours, &self.io[&name]));
        }
        SupernetPairs { loss, gradients: pairs, alpha_after: Vec::new() }
    }

    fn two_mode(&mut self) -> SupernetPairs {
        let device = self.network.device();
        let pairs = self.indices("two.active").into_iter().zip(self.indices("two.inactive"));
        let choice = |((active, inactive), n): (_, usize)| Choice::gated(active, vec![inactive], n, device);
        let path = ArchPath(pairs.zip(self.sizes()).map(choice).collect());
        let (loss, gates) = self.run("two", &path, &[]);
        let mut pairs = self.blocks("two.gate_grad", &gates);
        let (gradients, of_alpha) = self.alpha_gradients("two.alpha_grad", &path, &gates);
        pairs.extend(of_alpha);
        // Plain gradient descent.
        self.alpha.update(&path, SamplingMode::Two, |values, _| {
            for (alpha, gradient) in values.values_mut().zip(&gradients) {
                let _ = alpha.g_sub_(&(gradient * 0.1));
            }
        });
        let after: Vec<Tensor> = self.alpha.values().iter().map(|values| Tensor::from_slice(values)).collect();
        SupernetPairs { loss, gradients: pairs, alpha_after: self.blocks("two.alpha_after", &after) }
    }
}

/// What an architecture step of a supernet computes.
#[derive(Debug)]
pub struct SupernetPairs {
    /// The loss.
    pub loss: Pair,
    /// Gradients of the gates and alphas of every block, in mode `full` of some weights too.
    pub gradients: Vec<Pair>,
    /// In mode `two`, the alphas of every block after a step.
    pub alpha_after: Vec<Pair>,
}

fn in_mode(mut supernet: Supernet, mode: SamplingMode) -> SupernetPairs {
    match mode {
        SamplingMode::Full => supernet.full_mode(),
        SamplingMode::Two => supernet.two_mode(),
    }
}

/// `super_vqa` in a mode.
pub fn super_vqa(mode: SamplingMode, device: Device) -> SupernetPairs {
    in_mode(Supernet::new::<VqaData>("super_vqa", 17, vqa_loss, device), mode)
}

/// `super_itm` in a mode.
pub fn super_itm(mode: SamplingMode, device: Device) -> SupernetPairs {
    in_mode(Supernet::new::<ItmData>("super_itm", 1, itm_loss, device), mode)
}

/// `super_vgd` in a mode.
pub fn super_vgd(mode: SamplingMode, device: Device) -> SupernetPairs {
    in_mode(Supernet::new::<VgdData>("super_vgd", 1, vgd_loss, device), mode)
}
