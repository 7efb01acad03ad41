//! Adam with a state that can be saved.

use std::collections::BTreeMap;

use tch::{Kind, Tensor};

use crate::nn::parameters::Parameters;
use crate::nn::tensors::TensorMap;
use crate::recipe::adam::AdamSettings;

#[derive(Debug)]
struct Moments {
    first: Tensor,
    second: Tensor,
    steps: i64,
}

/// Adam (Kingma and Ba) as PyTorch computes it, with a state that can be saved.
///
/// libtorch's own Adam keeps its moments to itself. A parameter without a gradient keeps its value,
/// its moments and its own step count.
#[derive(Debug, Default)]
pub struct Adam {
    moments: BTreeMap<String, Moments>,
}

impl Adam {
    /// Moves the parameters that have a gradient.
    ///
    /// `gradients` go by the parameters' names.
    pub fn step(&mut self, parameters: &Parameters, gradients: &[(&String, Tensor)], settings: AdamSettings) {
        let _guard = tch::no_grad_guard();
        let (beta1, beta2) = settings.betas;
        for (name, gradient) in gradients {
            let Some(parameter) = parameters.get(*name) else { continue };
            let fresh = || Moments { first: parameter.zeros_like(), second: parameter.zeros_like(), steps: 0 };
            let moments = self.moments.entry((*name).clone()).or_insert_with(fresh);
            moments.steps += 1;
            let _ = moments.first.lerp_(gradient, 1.0 - beta1);
            let _ = moments.second.lerp_(&gradient.square(), 1.0 - beta2);
            let (correction1, correction2) =
                (1.0 - beta1.powi(moments.steps as i32), 1.0 - beta2.powi(moments.steps as i32));
            // lr / c1 · m / (√(v / c2) + ε), with all scalars in the denominator: it saves a pass
            // over memory for each.
            let root2 = correction2.sqrt();
            let mut denominator = moments.second.sqrt();
            let _ = denominator.g_add_scalar_(settings.epsilon * root2);
            let _ = denominator.g_mul_scalar_(-correction1 / (settings.lr * root2));
            let _ = parameter.shallow_clone().addcdiv_(&moments.first, &denominator);
        }
    }

    /// The moments and step counts as tensors, under `prefix`.
    pub fn save(&self, prefix: &str, into: &mut TensorMap) {
        for (name, moments) in &self.moments {
            into.insert(format!("{prefix}.first.{name}"), moments.first.shallow_clone());
            into.insert(format!("{prefix}.second.{name}"), moments.second.shallow_clone());
            into.insert(format!("{prefix}.steps.{name}"), Tensor::from_slice(&[moments.steps]));
        }
    }

    /// Reads the state that [`Adam::save`] wrote, for the given parameters.
    ///
    /// A parameter without a state has not been moved yet.
    ///
    /// # Errors
    ///
    /// The name of the first parameter whose state is incomplete or has another shape.
    pub fn load(prefix: &str, parameters: &Parameters, from: &TensorMap) -> std::result::Result<Adam, String> {
        let mut adam = Adam::default();
        for (name, parameter) in parameters {
            let part = |kind: &str| from.get(&format!("{prefix}.{kind}.{name}"));
            let (first, second, steps) = match (part("first"), part("second"), part("steps")) {
                (Some(first), Some(second), Some(steps)) => (first, second, steps),
                (None, None, None) => continue,
                _ => return Err(format!("{prefix}.{name}")),
            };
            if first.size() != parameter.size() || second.size() != parameter.size() || steps.size() != [1] {
                return Err(format!("{prefix}.{name}"));
            }
            let copy = |t: &Tensor| t.to_device(parameter.device()).to_kind(parameter.kind()).copy();
            let moments = Moments { first: copy(first), second: copy(second), steps: steps.int64_value(&[0]) };
            adam.moments.insert(name.clone(), moments);
        }
        Ok(adam)
    }
}

/// The norm of all gradients together, in double precision.
pub(crate) fn gradient_norm(gradients: &[(&String, Tensor)]) -> f64 {
    let norms: Vec<Tensor> = gradients.iter().map(|(_, g)| g.norm()).collect();
    if norms.is_empty() {
        return 0.0;
    }
    Tensor::stack(&norms, 0).to_kind(Kind::Double).norm().double_value(&[])
}

/// Scales the gradients so that their norm is at most `limit` (published: 1.0).
pub(crate) fn clip_gradients(gradients: &mut [(&String, Tensor)], norm: f64, limit: f64) {
    let factor = limit / (norm + 1e-6);
    if factor < 1.0 {
        for (_, gradient) in gradients {
            let _ = gradient.g_mul_scalar_(factor);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::Device;
    use tch::nn::{self, OptimizerConfig};

    #[test]
    fn it_moves_as_libtorchs_own() {
        tch::manual_seed(3);
        let store = nn::VarStore::new(Device::Cpu);
        let theirs = store.root().var_copy("w", &Tensor::randn([5, 3], (Kind::Float, Device::Cpu)));
        let ours: Parameters = [("w".to_owned(), theirs.detach().copy())].into();
        let mut their_adam =
            nn::Adam { beta1: 0.9, beta2: 0.98, eps: 1e-9, ..nn::Adam::default() }.build(&store, 0.01).unwrap();
        let mut our_adam = Adam::default();
        let settings = AdamSettings { lr: 0.01, betas: (0.9, 0.98), epsilon: 1e-9 };
        let name = "w".to_owned();
        for step in 0..20 {
            let target = Tensor::randn([5, 3], (Kind::Float, Device::Cpu));
            let gradient = (&ours["w"] - &target) * 2.0;
            their_adam.backward_step(&(&theirs - &target).square().sum(Kind::Float));
            our_adam.step(&ours, &[(&name, gradient)], settings);
            let difference = (&ours["w"] - &theirs).abs().max().double_value(&[]);
            assert!(difference < 1e-6, "step {step}: {difference}");
        }
    }
}
