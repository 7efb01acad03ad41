//! Architecture parameters: alpha, its probabilities, its steps.

use std::collections::BTreeMap;

use mmnas_bundle::{Architecture, Operation};
use rand::RngExt as _;
use serde::{Deserialize, Serialize};
use tch::{Kind, Tensor};

use crate::nn::adam::Adam;
use crate::nn::tensors::TensorMap;
use crate::operations::pool::Candidate;
use crate::recipe::adam::AdamSettings;
use crate::recipe::strategy::SamplingMode;
use crate::seed::rng;
use crate::space::arch_path::{ArchPath, Choice};
use crate::space::search_space::Space;

/// The architecture parameters alpha: one number an operation (MMnas, section 3.3).
///
/// The probabilities are `p = softmax(alpha)` within a block.
#[derive(Debug)]
pub struct Alpha {
    space: Space,
    values: BTreeMap<String, Tensor>,
    adam: Adam,
}

/// Alpha before the first architecture step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AlphaStart {
    /// Zeros: every operation of a block is equally likely.
    #[default]
    Uniform,
    /// The published code's start: 1 for a favourite operation of each block, −1 elsewhere.
    ///
    /// The favourites are (SA, FFN), (SA, FFN) … in the encoder and (RSA, GA, FFN), (RSA, GA, FFN)
    /// … in the decoder.
    Published,
}

/// The key of a block's alpha.
///
/// Keys sort as the blocks do, so that maps of alphas are in the blocks' order.
fn key(block: usize) -> String {
    format!("{block:05}")
}

impl Alpha {
    /// Alphas of zero: every operation of a block is equally likely.
    pub fn uniform(space: &Space) -> Alpha {
        let zeros = |ops: &[_]| Tensor::zeros([ops.len() as i64], (Kind::Float, tch::Device::Cpu));
        let values = space.blocks().enumerate().map(|(block, ops)| (key(block), zeros(ops))).collect();
        Alpha { space: space.clone(), values, adam: Adam::default() }
    }

    /// The alphas that a search starts from.
    pub fn start(space: &Space, start: AlphaStart) -> Alpha {
        if start == AlphaStart::Uniform {
            return Alpha::uniform(space);
        }
        use Operation::{FeedForward, GuidedAttention, RelationSelfAttention, SelfAttention};
        let encoder = [SelfAttention, FeedForward].into_iter().cycle().take(space.encoder.len());
        let decoder = [RelationSelfAttention, GuidedAttention, FeedForward].into_iter().cycle();
        let favoured = |(operations, favourite): (&[Candidate], Operation)| {
            operations.iter().map(|operation| if operation.operation() == favourite { 1.0 } else { -1.0 }).collect()
        };
        let values: Vec<Vec<f32>> = space.blocks().zip(encoder.chain(decoder)).map(favoured).collect();
        Alpha::from_values(space, &values)
    }

    /// Alphas with the given values, one list a block.
    pub fn from_values(space: &Space, values: &[Vec<f32>]) -> Alpha {
        let mut alpha = Alpha::uniform(space);
        for (block, values) in values.iter().enumerate() {
            alpha.values.insert(key(block), Tensor::from_slice(values));
        }
        alpha
    }

    /// The values, one list a block.
    pub fn values(&self) -> Vec<Vec<f32>> {
        self.values.values().map(|alpha| to_vec(alpha).into_iter().map(|v| v as f32).collect()).collect()
    }

    /// `softmax(alpha)` of each block.
    pub fn probabilities(&self) -> Vec<Vec<f64>> {
        self.values.values().map(|alpha| to_vec(&alpha.softmax(0, Kind::Double))).collect()
    }

    /// Samples one operation a block.
    pub fn sample(&self, run: u64, purpose: &str, counter: u64) -> Vec<usize> {
        let mut rng = rng(run, purpose, counter);
        self.probabilities().iter().map(|p| pick(p, rng.random::<f64>())).collect()
    }

    /// Samples the gated path of an architecture step.
    pub fn sample_gated(
        &self,
        mode: SamplingMode,
        run: u64,
        purpose: &str,
        counter: u64,
        device: tch::Device,
    ) -> ArchPath {
        let mut rng = rng(run, purpose, counter);
        let choose = |p: &Vec<f64>| {
            let first = pick(p, rng.random::<f64>());
            let mut others: Vec<usize> = (0..p.len()).filter(|&k| k != first).collect();
            if mode == SamplingMode::Full || others.is_empty() {
                return Choice::gated(first, others, p.len(), device);
            }
            // Without replacement, then one of the two by the softmax over just them.
            let rest: f64 = others.iter().map(|&k| p[k]).sum();
            let weights: Vec<f64> = others.iter().map(|&k| p[k] / rest).collect();
            let second = others.swap_remove(pick(&weights, rng.random::<f64>()));
            let first_is_active = rng.random::<f64>() * (p[first] + p[second]) < p[first];
            let (active, inactive) = if first_is_active { (first, second) } else { (second, first) };
            Choice::gated(active, vec![inactive], p.len(), device)
        };
        ArchPath(self.probabilities().iter().map(choose).collect())
    }

    /// The gradient of the alphas from the gradients of the gates.
    ///
    /// `d alpha_i = Σ_j g_j p_j (δ_ij − p_i)`, sums and softmax over the operations that ran; 0 for
    /// the others.
    pub fn gradients(&self, path: &ArchPath, gate_gradients: &[Tensor]) -> Vec<Tensor> {
        let blocks = self.values.values().zip(&path.0).zip(gate_gradients);
        blocks
            .map(|((alpha, choice), gates)| {
                let involved = involved(choice);
                let p = alpha.index_select(0, &involved).softmax(0, Kind::Float);
                let g = gates.to_device(tch::Device::Cpu).to_kind(Kind::Float).index_select(0, &involved);
                let mean = (&g * &p).sum(Kind::Float);
                alpha.zeros_like().index_copy(0, &involved, &(p * (g - mean)))
            })
            .collect()
    }

    /// The gradient of the alphas from the gradients of a mixture's weights.
    ///
    /// Every block is the mixture of its operations by `weights`, the softmax of alpha over
    /// `temperature`.
    pub fn mixture_gradients(&self, weights: &[Vec<f64>], gradients: &[Tensor], temperature: f64) -> Vec<Tensor> {
        let block = |(w, g): (&Vec<f64>, &Tensor)| {
            let w = Tensor::from_slice(w).to_kind(Kind::Float);
            let g = g.to_device(tch::Device::Cpu).to_kind(Kind::Float);
            let mean = (&g * &w).sum(Kind::Float);
            w * (g - mean) / temperature
        };
        weights.iter().zip(gradients).map(block).collect()
    }

    /// Takes an Adam step on the alphas.
    ///
    /// In mode `two` both alphas of a block are then shifted. The sum of their exponentials stays
    /// what it was.
    pub fn step(&mut self, path: &ArchPath, gradients: Vec<Tensor>, settings: AdamSettings, mode: SamplingMode) {
        self.update(path, mode, |values, adam| {
            let names: Vec<String> = values.keys().cloned().collect();
            let gradients: Vec<(&String, Tensor)> = names.iter().zip(gradients).collect();
            adam.step(values, &gradients, settings);
        });
    }

    /// Changes the alphas by `apply`; in mode `two` they are then shifted as [`Alpha::step`] says.
    pub fn update(
        &mut self,
        path: &ArchPath,
        mode: SamplingMode,
        apply: impl FnOnce(&mut BTreeMap<String, Tensor>, &mut Adam),
    ) {
        let mass = |alpha: &Tensor, choice: &Choice| alpha.index_select(0, &involved(choice)).logsumexp(0, false);
        let before: Vec<Tensor> = self.values.values().zip(&path.0).map(|(a, c)| mass(a, c)).collect();
        apply(&mut self.values, &mut self.adam);
        if mode == SamplingMode::Two {
            for ((alpha, choice), before) in self.values.values_mut().zip(&path.0).zip(before) {
                let indices = involved(choice);
                let shift = mass(alpha, choice) - before;
                *alpha = alpha.index_add(0, &indices, &(-shift).expand([indices.size()[0]], false));
            }
        }
    }

    /// The operation of largest alpha in every block, the first of several.
    pub fn best(&self) -> Vec<usize> {
        let best = |alpha: Vec<f32>| (0..alpha.len()).fold(0, |best, k| if alpha[k] > alpha[best] { k } else { best });
        self.values().into_iter().map(best).collect()
    }

    /// The architecture of the operations of largest alpha.
    pub fn derive(&self) -> Architecture {
        self.space.architecture(&self.best())
    }

    /// The alphas and their optimiser's state as tensors.
    pub fn save(&self, into: &mut TensorMap) {
        for (name, alpha) in &self.values {
            into.insert(format!("alpha.{name}"), alpha.shallow_clone());
        }
        self.adam.save("alpha_optim", into);
    }

    /// Reads the state that [`Alpha::save`] wrote.
    ///
    /// # Errors
    ///
    /// The name of the tensor or parameter that is missing or does not fit the space.
    pub fn load(&mut self, from: &TensorMap) -> std::result::Result<(), String> {
        for (name, value) in &mut self.values {
            let key = format!("alpha.{name}");
            let saved = from.get(&key).filter(|saved| saved.size() == value.size()).ok_or(key)?;
            *value = saved.copy();
        }
        self.adam = Adam::load("alpha_optim", &self.values, from)?;
        Ok(())
    }
}

fn to_vec(tensor: &Tensor) -> Vec<f64> {
    let tensor = tensor.to_kind(Kind::Double).contiguous();
    let mut values = vec![0.0; tensor.numel()];
    tensor.copy_data(&mut values, tensor.numel());
    values
}

/// Index of the interval of `weights` (sum 1) that `at` (0 to 1) hits.
pub(crate) fn pick(weights: &[f64], at: f64) -> usize {
    let mut sum = 0.0;
    weights
        .iter()
        .position(|w| {
            sum += w;
            at < sum
        })
        .unwrap_or(weights.len() - 1)
}

/// The operations that ran, the active one first.
fn involved(choice: &Choice) -> Tensor {
    let indices: Vec<i64> = match choice {
        Choice::One(active) => vec![*active as i64],
        Choice::Gated { active, inactive, .. } => std::iter::once(active).chain(inactive).map(|&k| k as i64).collect(),
        Choice::Mixed { weights } => (0..weights.size()[0]).collect(),
    };
    Tensor::from_slice(&indices)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_starts_uniform_and_derives_the_largest() {
        let space = Space::published(2, 2);
        let alpha = Alpha::uniform(&space);
        for p in alpha.probabilities() {
            assert!(p.iter().all(|v| (v - 1.0 / p.len() as f64).abs() < 1e-12), "{p:?}");
        }
        let values = [vec![0.1, 0.2], vec![3.0, -1.0], vec![0.0, 0.0, 1.0, 0.0], vec![-5.0, -1.0, -2.0, -3.0]];
        assert_eq!(Alpha::from_values(&space, &values).derive().to_string(), "enc FFN SA, dec GA RSA");
    }

    #[test]
    fn the_published_start_favours_the_hand_made_pattern() {
        let alpha = Alpha::start(&Space::published(3, 4), AlphaStart::Published);
        assert_eq!(alpha.derive().to_string(), "enc SA FFN SA, dec RSA GA FFN RSA");
        assert_eq!(alpha.values()[4], [-1.0, -1.0, 1.0, -1.0]);
    }

    #[test]
    fn a_mixture_s_gradient_is_that_of_its_softmax() {
        let space = Space::published(0, 1);
        let values = Tensor::from_slice(&[0.3f32, -0.2, 0.9, 0.1]).set_requires_grad(true);
        let towards = Tensor::from_slice(&[1.0f32, -2.0, 0.5, 3.0]);
        let weights = (&values / 0.7).softmax(0, Kind::Float);
        let expected = Tensor::run_backward(&[(&weights * &towards).sum(Kind::Float)], &[&values], false, false);
        let alpha = Alpha::uniform(&space);
        let weights: Vec<f64> = to_vec(&weights.detach());
        let ours = alpha.mixture_gradients(&[weights], &[towards], 0.7);
        assert!((&ours[0] - &expected[0]).abs().max().double_value(&[]) < 1e-6);
    }

    #[test]
    fn samples_follow_the_probabilities() {
        let space = Space::published(0, 1);
        let alpha = Alpha::from_values(&space, &[vec![1.0, 0.0, -1.0, 2.0]]);
        let p = &alpha.probabilities()[0];
        let mut counts = [0.0; 4];
        for step in 0..20_000 {
            counts[alpha.sample(1, "test", step)[0]] += 1.0 / 20_000.0;
        }
        for k in 0..4 {
            assert!((counts[k] - p[k]).abs() < 0.015, "{counts:?} {p:?}");
        }
    }

    #[test]
    fn a_gated_pair_has_two_different_operations_and_the_active_one_follows_their_softmax() {
        let space = Space::published(0, 1);
        let alpha = Alpha::from_values(&space, &[vec![0.0, 0.0, 0.0, 2.0]]);
        let (mut with_last, mut last_active) = (0.0, 0.0);
        for step in 0..4_000 {
            let path = alpha.sample_gated(SamplingMode::Two, 1, "test", step, tch::Device::Cpu);
            let Choice::Gated { active, inactive, .. } = &path.0[0] else { panic!("not gated") };
            assert_eq!(inactive.len(), 1);
            assert_ne!(*active, inactive[0]);
            if *active == 3 || inactive[0] == 3 {
                with_last += 1.0;
                last_active += f64::from(u8::from(*active == 3));
            }
        }
        let expected = 2f64.exp() / (2f64.exp() + 1.0);
        assert!((last_active / with_last - expected).abs() < 0.03, "{} {expected}", last_active / with_last);
    }
}
