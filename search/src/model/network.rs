//! A network with all operations of a space, and its forward pass.

use std::collections::BTreeMap;

use mmnas_bundle::manifest::Dimensions;
use mmnas_bundle::param_names;
use tch::{Device, Kind, Tensor, nn};

use crate::error::Result;
use crate::model::head::{EmbeddingInputs, Head, HeadBuilder, HeadOutput};
use crate::model::inputs::Inputs;
use crate::nn::by_area::mean_by_area;
use crate::nn::dropout::Dropout;
use crate::nn::layers::Linear;
use crate::nn::lstm::Lstm;
use crate::nn::parameters::Parameters;
use crate::operations::pool::Candidate;
use crate::operations::{Context, OperationModule};
use crate::precision::MatmulPrecision;
use crate::space::arch_path::{ArchPath, Choice};
use crate::space::search_space::Space;

/// Mean and standard deviation of each feature over the training images.
///
/// Features are standardised before the layers that read them. The export folds both into those
/// layers, so that a bundle does not hold them.
#[derive(Debug)]
pub struct FeatureNorm {
    /// Means, `[D]`.
    pub mean: Tensor,
    /// Standard deviations, `[D]`, above 0.
    pub std: Tensor,
}

impl FeatureNorm {
    /// Shares the same tensors for another network.
    pub(crate) fn share(&self) -> FeatureNorm {
        FeatureNorm { mean: self.mean.shallow_clone(), std: self.std.shallow_clone() }
    }
}

/// Naming of a block's parameters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Naming {
    /// `…dag.<block>.0.<parameter>`.
    Derived,
    /// `…dag.<block>.0.candidate_ops.<op>.<parameter>`.
    Supernet,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Owner {
    Shared,
    Relations,
    /// No step changes it.
    Fixed,
    Operation {
        block: usize,
        index: usize,
    },
}

/// The relation bias of the operation `index` of `block`, keyed by both.
pub(super) type RelationBiases = BTreeMap<(usize, usize), Tensor>;

/// A network with all operations of a space.
///
/// It is a supernet, or a derived network where the space has one operation per block.
#[derive(Debug)]
pub struct Network {
    pub(super) space: Space,
    pub(super) dimensions: Dimensions,
    embedding: Tensor,
    lstm: Lstm,
    image: Linear,
    pub(super) relation: Linear,
    pub(super) blocks: Vec<Vec<Box<dyn OperationModule>>>,
    pub(super) head: Box<dyn Head>,
    norm: Option<FeatureNorm>,
    precision: MatmulPrecision,
    parameters: Parameters,
    owners: Vec<Owner>,
    device: Device,
}

/// The dotted prefix of a block's parameters.
fn block_prefix(space: &Space, block: usize) -> String {
    match block.checked_sub(space.encoder.len()) {
        None => param_names::encoder_block(block),
        Some(block) => param_names::decoder_block(block),
    }
}

impl Network {
    /// Builds a network with freshly initialised parameters, drawn from libtorch's generator.
    ///
    /// `build_head` makes a task's head. Every operation of the space must fit the dimensions
    /// ([`Space::check`]).
    pub fn new(
        space: &Space,
        dimensions: &Dimensions,
        naming: Naming,
        device: Device,
        build_head: HeadBuilder,
    ) -> Network {
        let d = dimensions;
        let store = nn::VarStore::new(device);
        let root = store.root();
        let path = |dotted: &str| dotted.split('.').fold(root.clone(), |p, part| p / part);
        let embedding = root.clone() / param_names::EMBEDDING;
        let embedding = embedding.randn_standard("weight", &[d.vocabulary as i64, d.embedding as i64]);
        let lstm = Lstm::new(&path(param_names::LSTM), d.embedding, d.hidden);
        let mut operation_prefixes = Vec::new();
        let blocks = space.blocks().enumerate().map(|(block, operations)| {
            let build = |(index, operation): (usize, &Candidate)| {
                let mut prefix = block_prefix(space, block);
                if naming == Naming::Supernet {
                    prefix += &format!(".candidate_ops.{index}");
                }
                let module = operation.build(&path(&prefix), d);
                operation_prefixes.push((prefix + ".", Owner::Operation { block, index }));
                module
            };
            operations.iter().enumerate().map(build).collect()
        });
        let blocks = blocks.collect();
        let image = Linear::new(path(param_names::IMGFEAT_LINEAR), d.feature, d.hidden, true);
        let relation = Linear::new(path(param_names::LINEAR_Y_REL), 4, d.relation, true);
        let head = build_head(&root, d);
        let parameters: Parameters = store.variables().into_iter().collect();
        let fixed = head.fixed_parameters();
        let owner = |name: &String| {
            let operation =
                operation_prefixes.iter().find(|(prefix, _)| name.starts_with(prefix)).map(|(_, owner)| *owner);
            operation.unwrap_or(match name.starts_with("linear_y_rel.") {
                true => Owner::Relations,
                false if fixed.contains(&name.as_str()) => Owner::Fixed,
                false => Owner::Shared,
            })
        };
        let owners = parameters.keys().map(owner).collect();
        Network {
            space: space.clone(),
            dimensions: d.clone(),
            embedding,
            lstm,
            image,
            relation,
            blocks,
            head,
            norm: None,
            precision: MatmulPrecision::default(),
            parameters,
            owners,
            device,
        }
    }

    /// The space whose operations the network holds.
    pub fn space(&self) -> &Space {
        &self.space
    }

    /// The network's sizes.
    pub fn dimensions(&self) -> &Dimensions {
        &self.dimensions
    }

    /// The device where its parameters lie.
    pub fn device(&self) -> Device {
        self.device
    }

    /// Its parameters by name.
    ///
    /// They are shared with the network: writing into them changes it.
    pub fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    /// The parameter `name`, shared as in [`Network::parameters`].
    pub(crate) fn parameter(&self, name: &str) -> Result<Tensor> {
        let known = self.parameters.get(name).map(Tensor::shallow_clone);
        let missing = || mmnas_bundle::Error::invalid("network", name, "a parameter of the network", "none");
        Ok(known.ok_or_else(missing)?)
    }

    /// Standardises features by `norm` from now on; none leaves them as they come.
    pub fn set_feature_norm(&mut self, norm: Option<FeatureNorm>) {
        let here = |t: Tensor| t.to_device(self.device);
        self.norm = norm.map(|norm| FeatureNorm { mean: here(norm.mean), std: here(norm.std) });
    }

    /// Sets the number format of the blocks' matrix products from now on.
    ///
    /// [`Network::stage_outputs`] stays in 32 bits.
    pub fn set_precision(&mut self, precision: MatmulPrecision) {
        self.precision = precision;
    }

    /// Mean and standard deviation by which features are standardised, if they are.
    pub fn feature_norm(&self) -> Option<&FeatureNorm> {
        self.norm.as_ref()
    }

    /// Starts words from given vectors; the others keep their random ones.
    ///
    /// # Errors
    /// libtorch's: a word beyond the vocabulary, or a vector that does not fit the embedding's
    /// width.
    pub fn set_word_vectors(&self, vectors: &[(usize, Vec<f32>)]) -> Result<()> {
        let _guard = tch::no_grad_guard();
        for (word, vector) in vectors {
            let vector = Tensor::from_slice(vector).to_device(self.device);
            self.embedding.f_get(*word as i64)?.f_copy_(&vector)?;
        }
        Ok(())
    }

    /// The names of the parameters that a pass along `path` uses and that are trained.
    ///
    /// These are the ones that get a gradient. Operations that are not on the path are left out. So
    /// an optimiser does not move them by old momentum (the published code does).
    pub fn parameters_on(&self, path: &ArchPath) -> Vec<&String> {
        let relations = self.uses_relations(path);
        let used = |owner: &Owner| match owner {
            Owner::Shared => true,
            Owner::Relations => relations,
            Owner::Fixed => false,
            Owner::Operation { block, index } => path.0[*block].is_active(*index),
        };
        self.parameters.keys().zip(&self.owners).filter(|(_, owner)| used(owner)).map(|(name, _)| name).collect()
    }

    /// Whether no step changes the parameter `name`.
    pub(crate) fn is_fixed(&self, name: &str) -> bool {
        self.head.fixed_parameters().contains(&name)
    }

    /// Number of numbers that training changes.
    pub(crate) fn trained_numbers(&self) -> u64 {
        let owned = self.parameters.values().zip(&self.owners);
        owned.filter(|(_, owner)| **owner != Owner::Fixed).map(|(parameter, _)| parameter.numel() as u64).sum()
    }

    fn operation(&self, block: usize, index: usize) -> &Candidate {
        let encoder = self.space.encoder.len();
        if block < encoder { &self.space.encoder[block][index] } else { &self.space.decoder[block - encoder][index] }
    }

    pub(super) fn block(
        &self,
        block: usize,
        choice: &Choice,
        x: &Tensor,
        (context, biases): (&Context<'_>, &RelationBiases),
    ) -> Tensor {
        let run = |index: usize| {
            let context = Context { relation_bias: biases.get(&(block, index)), ..*context };
            self.blocks[block][index].forward(x, &context)
        };
        match choice {
            Choice::One(index) => run(*index),
            Choice::Gated { active, inactive, gates } => {
                let mut y = gates.get(*active as i64) * run(*active);
                for &index in inactive {
                    // The gradient of a gate needs the output's value only; building no graph for
                    // it saves its memory.
                    let output = tch::no_grad(|| run(index));
                    y = y.addcmul(&gates.get(index as i64), &output);
                }
                y
            }
            Choice::Mixed { weights } => {
                let outputs: Vec<Tensor> = (0..self.blocks[block].len()).map(run).collect();
                Tensor::stack(&outputs, -1).matmul(weights)
            }
        }
    }

    /// Embeds tokens: the LSTM's states, `[batch, tokens, H]`.
    pub(super) fn embed(&self, tokens: &Tensor) -> Tensor {
        let words = Tensor::embedding(&self.embedding, tokens, -1, false, false);
        self.lstm.forward(&words)
    }

    /// Features as the network reads them: standardised, if it has a [`FeatureNorm`].
    pub(super) fn standardised(&self, features: &Tensor) -> Tensor {
        match &self.norm {
            Some(norm) => (features - &norm.mean) / &norm.std,
            None => features.shallow_clone(),
        }
    }

    pub(super) fn regions(&self, standardised: &Tensor, precision: MatmulPrecision) -> Tensor {
        self.image.forward(&precision.operand(standardised)).to_kind(Kind::Float)
    }

    /// Runs the network on `inputs` along `path`; gives the output of the task's head.
    pub fn forward(&self, inputs: &Inputs, path: &ArchPath, dropout: Dropout) -> HeadOutput {
        let precision = self.precision;
        let (text_mask, region_mask) = (inputs.text_mask(), inputs.region_mask());
        let biases = self.relation_biases(path, &inputs.boxes, region_mask.as_ref());
        let encoder = self.space.encoder.len();
        let context = Context::new(text_mask.as_ref(), dropout, precision);
        let mut x = self.embed(&inputs.tokens);
        for (block, choice) in path.0.iter().enumerate().take(encoder) {
            x = self.block(block, choice, &x, (&context, &biases));
        }
        let context = Context {
            text: Some(&x),
            text_mask: text_mask.as_ref(),
            ..Context::new(region_mask.as_ref(), dropout, precision)
        };
        let features = self.standardised(&inputs.features);
        let mut y = self.regions(&features, precision);
        let embedding = self.head.embedding();
        let first_guided = embedding.map(|_| self.first_guided());
        let mut before_text = None;
        for (block, choice) in path.0.iter().enumerate().skip(encoder) {
            if first_guided == Some(block) {
                before_text = Some(y.shallow_clone());
            }
            y = self.block(block, choice, &y, (&context, &biases));
        }
        // Last, as ever: dropout draws from one generator, so another order would be another run of
        // the same seed.
        let text = self.head.pool_text(&x, text_mask.as_ref(), dropout);
        let embeddings = embedding.map(|head| {
            let inputs = EmbeddingInputs {
                tokens: &inputs.tokens,
                text_mask: text_mask.as_ref(),
                text: &text,
                boxes: &inputs.boxes,
                features: &features,
                regions: before_text.as_ref().unwrap_or(&y),
                region_mask: region_mask.as_ref(),
            };
            head.embed(&inputs, dropout)
        });
        let scores = self.head.scores(&text, &y, region_mask.as_ref(), dropout);
        let scores = match (embedding.filter(|head| head.is_in_scores()), &embeddings) {
            (Some(head), Some(embeddings)) => scores + head.score(embeddings),
            _ => scores,
        };
        HeadOutput { scores, embeddings }
    }

    /// The standardised features of each image, averaged by the area of its regions, `[batch, D]`.
    pub(crate) fn pooled_by_area(&self, inputs: &Inputs) -> Tensor {
        mean_by_area(&self.standardised_features(inputs), &inputs.boxes, inputs.region_mask().as_ref())
    }

    /// The features as the network reads them, `[batch, regions, D]`.
    pub(crate) fn standardised_features(&self, inputs: &Inputs) -> Tensor {
        self.standardised(&inputs.features)
    }

    /// The first block of the decoder that may read the text.
    ///
    /// It is the number of all blocks where there is none.
    pub(super) fn first_guided(&self) -> usize {
        let reads =
            |block: &usize| (0..self.blocks[*block].len()).any(|index| self.operation(*block, index).reads_text());
        (self.space.encoder.len()..self.blocks.len()).find(reads).unwrap_or(self.blocks.len())
    }
}
