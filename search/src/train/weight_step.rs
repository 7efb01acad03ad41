//! One step on the weights (MMnas, Algorithm 1).

use std::borrow::Borrow;

use tch::Tensor;

use crate::error::{Error, Result};
use crate::model::network::Network;
use crate::nn::adam::{Adam, clip_gradients, gradient_norm};
use crate::nn::dropout::Dropout;
use crate::recipe::adam::AdamSettings;
use crate::recipe::train::TrainSettings;
use crate::space::arch_path::ArchPath;
use crate::task::{Reduction, Task};
use crate::train::step_position::StepPosition;

/// Some of a step's samples, which are run at once.
#[derive(Debug)]
pub struct MicroBatch<B> {
    /// Tensors of the samples.
    pub batch: B,
    /// Number of the samples.
    pub samples: usize,
}

impl<B> MicroBatch<B> {
    /// Weight of the part's loss in a step of `all` samples.
    ///
    /// A sum counts as it is, a mean by the part's share.
    pub(crate) fn weight<T: Task>(&self, all: usize) -> f64 {
        if T::REDUCTION == Reduction::Sum { 1.0 } else { self.samples as f64 / all.max(1) as f64 }
    }
}

/// Settings of one step.
#[derive(Debug, Clone, Copy)]
pub struct StepSettings<'a> {
    /// Clipping and Adam's constants.
    pub train: &'a TrainSettings,
    /// Learning rate of this step.
    pub learning_rate: f64,
    /// Dropout rate.
    pub dropout: f64,
    /// Published behaviour: old momentum moves operations that are not on the path.
    ///
    /// They get zero gradients.
    pub momentum_drift: bool,
}

/// Makes one step on the weights along `paths`.
///
/// The operations on the paths move; the others keep weights and moments. The step's samples come
/// in `parts` that are run one after the other, along one path after the other, beginning anew
/// after the last; their gradients add up. It returns the loss, reduced as the task does.
///
/// # Errors
/// [`Error::NotFinite`]: a loss or gradient norm that is not finite, in which case the weights are
/// kept. libtorch's, such as memory that runs out.
pub fn weight_step<T: Task, B: Borrow<T::Batch>>(
    (network, adam): (&Network, &mut Adam),
    (task, parts): (&T, &[MicroBatch<B>]),
    paths: &[ArchPath],
    settings: StepSettings<'_>,
    at: StepPosition,
) -> Result<f64> {
    let mut names: Vec<&String> = Vec::new();
    for path in &paths[..parts.len().min(paths.len())] {
        let more: Vec<&String> = network.parameters_on(path).into_iter().filter(|name| !names.contains(name)).collect();
        names.extend(more);
    }
    let parameters: Vec<&Tensor> = names.iter().map(|&name| &network.parameters()[name]).collect();
    let all = parts.iter().map(|part| part.samples).sum();
    let (mut value, mut sums): (f64, Vec<Tensor>) = (0.0, Vec::new());
    for (part, path) in parts.iter().zip(paths.iter().cycle()) {
        let loss =
            task.loss(part.batch.borrow(), &mut |inputs| network.forward(inputs, path, Dropout(settings.dropout)));
        let loss = loss * part.weight::<T>(all);
        let gradients = Tensor::f_run_backward(&[&loss], &parameters, false, false)?;
        value += loss.double_value(&[]);
        sums =
            if sums.is_empty() { gradients } else { sums.iter().zip(&gradients).map(|(a, b)| added(a, b)).collect() };
    }
    let mut gradients: Vec<(&String, Tensor)> = names.into_iter().zip(sums).filter(|(_, g)| g.defined()).collect();
    let norm = gradient_norm(&gradients);
    for (what, value) in [("loss", value), ("gradient norm", norm)] {
        if !value.is_finite() {
            return Err(Error::NotFinite { epoch: at.epoch, step: at.step, what, value });
        }
    }
    clip_gradients(&mut gradients, norm, settings.train.clip);
    if settings.momentum_drift {
        let has = |name: &String| gradients.iter().any(|(known, _)| *known == name);
        let rest: Vec<&String> = network.parameters().keys().filter(|name| !has(name)).collect();
        gradients.extend(rest.into_iter().map(|name| (name, network.parameters()[name].zeros_like())));
    }
    let adam_settings = AdamSettings { lr: settings.learning_rate, ..settings.train.adam };
    adam.step(network.parameters(), &gradients, adam_settings);
    Ok(value)
}

/// The sum of two gradients, either of which may be undefined.
fn added(a: &Tensor, b: &Tensor) -> Tensor {
    match (a.defined(), b.defined()) {
        (true, true) => a + b,
        (true, false) => a.shallow_clone(),
        (false, _) => b.shallow_clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::parameters::Parameters;
    use crate::task::vqa::batch::VqaBatch;
    use crate::toy::{SETTINGS, START, STEP, TOY, ToyOf, supernet};
    use tch::{Device, Kind};

    fn whole(batch: &VqaBatch) -> MicroBatch<&VqaBatch> {
        MicroBatch { batch, samples: batch.target.size()[0] as usize }
    }

    fn copy(network: &Network) -> Parameters {
        network.parameters().iter().map(|(name, p)| (name.clone(), p.detach().copy())).collect()
    }

    #[test]
    fn a_weight_step_moves_the_sampled_path_and_nothing_else() {
        let (network, mut adam) = (supernet(), Adam::default());
        let batch = TOY.batch(&[], &(), 0).unwrap();
        let step = |adam: &mut Adam, path: &ArchPath| {
            weight_step((&network, adam), (&TOY, &[whole(&batch)]), std::slice::from_ref(path), STEP, START).unwrap()
        };
        // Encoder SA; decoder RSA, GA. Then FFN everywhere: the first path's operations must rest,
        // momentum or not.
        let first = ArchPath::single(&[0, 1, 2]);
        let before = copy(&network);
        step(&mut adam, &first);
        let between = copy(&network);
        step(&mut adam, &ArchPath::single(&[1, 3, 3]));
        let after = copy(&network);
        let on_first = network.parameters_on(&first);
        assert!(on_first.iter().any(|name| name.starts_with("linear_y_rel")));
        for name in network.parameters().keys() {
            let of_operation = name.contains("candidate_ops");
            let moved_first = !before[name].equal(&between[name]);
            let expected = on_first.contains(&name);
            // Where every relation lies below its clamp, RSA's bias has no gradient and stays. A
            // constant added to all scores of AttFlat's softmax has none but rounding.
            let constant = name.starts_with("attflat_") && name.ends_with(".mlp.linear.bias");
            let may_stay = name.contains("linear_r.") || name.contains("linear_y_rel.") || constant;
            assert!(moved_first == expected || (may_stay && expected), "{name}, first step");
            if of_operation && expected {
                assert!(between[name].equal(&after[name]), "{name} drifted in the second step");
            }
        }
    }

    #[test]
    fn training_lowers_the_loss_and_an_infinite_one_is_an_error() {
        let (network, mut adam) = (supernet(), Adam::default());
        let mut batch = TOY.batch(&[], &(), 0).unwrap();
        let path = ArchPath::single(&[0, 1, 2]);
        let settings = StepSettings { learning_rate: 1e-3, ..STEP };
        let mut step = |batch: &VqaBatch| {
            weight_step((&network, &mut adam), (&TOY, &[whole(batch)]), std::slice::from_ref(&path), settings, START)
        };
        let losses: Vec<f64> = (0..30).map(|_| step(&batch).unwrap()).collect();
        assert!(losses[29] < 0.9 * losses[0], "{losses:?}");
        batch.target = Tensor::full([4, 3], f64::INFINITY, (Kind::Float, Device::Cpu));
        let kept = copy(&network);
        assert!(matches!(step(&batch), Err(Error::NotFinite { what: "loss", .. })));
        assert!(network.parameters().iter().all(|(name, p)| p.equal(&kept[name])), "the weights are kept");
    }

    #[test]
    fn gradients_are_clipped_to_their_norm() {
        let name = "w".to_owned();
        let mut gradients = vec![(&name, Tensor::from_slice(&[3f32, 4.0])), (&name, Tensor::from_slice(&[12f32]))];
        assert!((gradient_norm(&gradients) - 13.0).abs() < 1e-6);
        clip_gradients(&mut gradients, 13.0, 1.0);
        assert!((gradient_norm(&gradients) - 1.0).abs() < 1e-5);
        clip_gradients(&mut gradients, 1.0, 2.0);
        assert!((gradient_norm(&gradients) - 1.0).abs() < 1e-5, "a smaller gradient stays");
    }

    #[test]
    fn an_architecture_step_asks_for_no_gradient_of_weights() {
        let network = supernet();
        let batch = TOY.batch(&[], &(), 0).unwrap();
        let alpha = crate::strategy::alpha::Alpha::uniform(network.space());
        let path = alpha.sample_gated(crate::recipe::strategy::SamplingMode::Full, 1, "test", 0, Device::Cpu);
        let before = copy(&network);
        let (loss, gates) = crate::train::search::gate_gradients(&network, &TOY, &batch, &path, 0.0, &[]).unwrap();
        assert!(loss.double_value(&[]).is_finite());
        assert_eq!(gates.iter().map(|g| g.size()[0]).collect::<Vec<_>>(), [2, 4, 4]);
        for (name, parameter) in network.parameters() {
            assert!(!parameter.grad().defined() && parameter.equal(&before[name]), "{name}");
        }
        // The gated output is the active operation's.
        let active = |choice: &crate::space::arch_path::Choice| (0..4).find(|&k| choice.is_active(k)).unwrap();
        let active: Vec<usize> = path.0.iter().map(active).collect();
        let plain = network.forward(&batch.inputs, &ArchPath::single(&active), Dropout(0.0));
        let gated = network.forward(&batch.inputs, &path, Dropout(0.0));
        assert!((plain.scores - gated.scores).abs().max().double_value(&[]) < 1e-6);
    }

    #[test]
    fn parts_run_along_one_path_after_the_other() {
        let (network, mut adam) = (supernet(), Adam::default());
        let all = TOY.batch(&[], &(), 0).unwrap();
        let parts = [rows(&all, 0, 2), rows(&all, 2, 2)];
        let paths = [ArchPath::single(&[0, 0, 2]), ArchPath::single(&[1, 3, 3]), ArchPath::single(&[0, 1, 1])];
        let before = copy(&network);
        let parts: Vec<MicroBatch<&VqaBatch>> = parts.iter().map(whole).collect();
        weight_step((&network, &mut adam), (&TOY, &parts), &paths, STEP, START).unwrap();
        let on = |path: usize| network.parameters_on(&paths[path]);
        for name in network.parameters().keys().filter(|name| name.contains("candidate_ops")) {
            let moved = !before[name].equal(&network.parameters()[name]);
            let expected = on(0).contains(&name) || on(1).contains(&name);
            assert!(moved == expected, "{name}: moved {moved}");
        }
        // Gradients of two paths add up to the mean loss's.
        let loss = |part: &MicroBatch<&VqaBatch>, path: &ArchPath| {
            tch::no_grad(|| {
                TOY.loss(part.batch, &mut |inputs| network.forward(inputs, path, Dropout(0.0))).double_value(&[])
            })
        };
        let expected = loss(&parts[0], &paths[0]) + loss(&parts[1], &paths[1]);
        let again = weight_step((&network, &mut adam), (&TOY, &parts), &paths, STEP, START).unwrap();
        assert!((again - expected).abs() < 1e-5 * expected.abs(), "{again} {expected}");
    }

    #[test]
    fn published_drift_moves_what_rests() {
        let (network, mut adam) = (supernet(), Adam::default());
        let batch = [TOY.batch(&[], &(), 0).unwrap()];
        let settings = StepSettings { momentum_drift: true, ..STEP };
        let mut step = |path: &ArchPath| {
            weight_step((&network, &mut adam), (&TOY, &[whole(&batch[0])]), std::slice::from_ref(path), settings, START)
                .unwrap()
        };
        step(&ArchPath::single(&[0, 0, 0]));
        let between = copy(&network);
        step(&ArchPath::single(&[1, 3, 3]));
        let name = "backnone.cells_enc.0.dag.0.0.candidate_ops.0.mhatt.linear_v.weight";
        assert!(!network.parameters()[name].equal(&between[name]));
    }

    /// Some rows of a batch.
    fn rows(batch: &VqaBatch, from: i64, count: i64) -> VqaBatch {
        let of = |t: &Tensor| t.narrow(0, from, count);
        let counts = |c: &[i64]| c[from as usize..][..count as usize].to_vec();
        let i = &batch.inputs;
        let inputs = crate::model::inputs::Inputs {
            tokens: of(&i.tokens),
            features: of(&i.features),
            boxes: of(&i.boxes),
            token_count: counts(&i.token_count),
            region_count: counts(&i.region_count),
        };
        VqaBatch { inputs, target: of(&batch.target) }
    }

    /// Parts of any sizes move the weights as the whole batch does.
    ///
    /// Their gradients add up.
    fn assert_parts_add_up<T: Task<Batch = VqaBatch>>(task: &T) {
        // With so large an epsilon Adam's first step is a smooth function of the gradient, not its
        // sign.
        let train = TrainSettings { adam: AdamSettings { epsilon: 1.0, ..SETTINGS.adam }, ..SETTINGS };
        let settings = StepSettings { train: &train, ..STEP };
        let network = supernet();
        let start = copy(&network);
        let all = TOY.batch(&[], &(), 0).unwrap();
        let parts = [rows(&all, 0, 3), rows(&all, 3, 1)];
        let path = ArchPath::single(&[0, 1, 2]);
        let run = |parts: &[VqaBatch]| {
            tch::no_grad(|| start.iter().for_each(|(name, p)| network.parameters()[name].shallow_clone().copy_(p)));
            let parts: Vec<MicroBatch<&VqaBatch>> = parts.iter().map(whole).collect();
            let loss = weight_step(
                (&network, &mut Adam::default()),
                (task, &parts),
                std::slice::from_ref(&path),
                settings,
                START,
            );
            let loss = loss.unwrap();
            (loss, copy(&network))
        };
        let (one, two) = (run(&parts), run(std::slice::from_ref(&all)));
        assert!((one.0 - two.0).abs() < 1e-5 * two.0.abs());
        for (name, p) in &one.1 {
            let scale = (&two.1[name] - &start[name]).abs().max().double_value(&[]);
            let difference = (p - &two.1[name]).abs().max().double_value(&[]);
            assert!(difference <= 1e-4 * scale + f64::from(f32::EPSILON), "{name}: {difference} of {scale}");
        }
    }

    #[test]
    fn parts_of_a_step_add_up() {
        assert_parts_add_up(&TOY);
        assert_parts_add_up(&ToyOf::<true>);
    }
}
