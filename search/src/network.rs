use std::collections::BTreeMap;

use mmnas_bundle::manifest::Dimensions;
use tch::{Cuda, Device, Kind, Tensor, nn};

use crate::data::word_vectors::WordVectors;
use crate::dropout::Dropout;
use crate::layers::Linear;
use crate::operations::{Candidate, Context, OperationModule};
use crate::relation::Projection;
use crate::task::{Head, Task};
use crate::{Choice, Path, Precision, Result, Space, relation};

/// What a network reads. Positions from a count on are padding: they change no result.
#[derive(Debug)]
pub struct Inputs {
    /// Token ids, i64 `[batch, tokens]`.
    pub tokens: Tensor,
    /// Region features, f32 `[batch, regions, D]`.
    pub features: Tensor,
    /// Corners of the regions in pixels, f32 `[batch, regions, 4]`.
    pub boxes: Tensor,
    /// Tokens of each sample, at least 1.
    pub token_count: Vec<i64>,
    /// Regions of each sample, at least 1.
    pub region_count: Vec<i64>,
}

/// True from each row's count on, `[batch, 1, 1, n]`; none where every row is full.
fn padding_mask(counts: &[i64], n: i64, device: Device) -> Option<Tensor> {
    if counts.iter().all(|&c| c >= n) {
        return None;
    }
    let counts = Tensor::from_slice(counts).to_device(device).view([-1, 1]);
    let mask = Tensor::arange(n, (Kind::Int64, device)).unsqueeze(0).ge_tensor(&counts);
    Some(mask.view([-1, 1, 1, n]))
}

impl Inputs {
    fn text_mask(&self) -> Option<Tensor> {
        padding_mask(&self.token_count, self.tokens.size()[1], self.tokens.device())
    }

    fn region_mask(&self) -> Option<Tensor> {
        padding_mask(&self.region_count, self.features.size()[1], self.features.device())
    }
}

/// Mean and deviation of each feature over the training images: features are standardised before the layers that read them. The
/// export folds both into those layers, so that a bundle does not hold them.
#[derive(Debug)]
pub struct FeatureNorm {
    /// `[D]`.
    pub mean: Tensor,
    /// `[D]`, above 0.
    pub std: Tensor,
}

impl FeatureNorm {
    /// The same numbers for another network.
    pub(crate) fn share(&self) -> FeatureNorm {
        FeatureNorm { mean: self.mean.shallow_clone(), std: self.std.shallow_clone() }
    }
}

/// How parameters of a block are called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Naming {
    /// `…dag.<block>.0.<parameter>`.
    Derived,
    /// `…dag.<block>.0.candidate_ops.<op>.<parameter>`.
    Supernet,
}

/// Named parameters in the order of their names.
pub type Parameters = BTreeMap<String, Tensor>;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Owner {
    Shared,
    Relations,
    Operation { block: usize, index: usize },
}

/// The bias of the operation `index` of `block`, by both.
type RelationBiases = BTreeMap<(usize, usize), Tensor>;

/// A network with all operations of a space: a supernet, or a derived network where the space has one a block.
#[derive(Debug)]
pub struct Network {
    space: Space,
    dimensions: Dimensions,
    embedding: Tensor,
    lstm: Vec<Tensor>,
    image: Linear,
    relation: Linear,
    blocks: Vec<Vec<Box<dyn OperationModule>>>,
    head: Box<dyn Head>,
    norm: Option<FeatureNorm>,
    precision: Precision,
    parameters: Parameters,
    owners: Vec<Owner>,
    device: Device,
}

/// The dotted prefix of a block's parameters (sic: "backnone" is the published spelling).
fn block_prefix(space: &Space, block: usize) -> String {
    let encoder = space.encoder.len();
    if block < encoder {
        format!("backnone.cells_enc.0.dag.{block}.0")
    } else {
        format!("backnone.cells_dec.0.dag.{}.0", block - encoder)
    }
}

/// Lays an LSTM's weights one behind the other in memory, as cuDNN reads them: it would copy them so at every call.
fn flatten_for_cudnn(weights: &[Tensor], d: &Dimensions, device: Device) {
    /// cuDNN's number of the LSTM among recurrent networks.
    const LSTM: i64 = 2;
    if device.is_cuda() && Cuda::cudnn_is_available() {
        let (input, hidden) = (d.embedding as i64, d.hidden as i64);
        let _guard = tch::no_grad_guard();
        let _ = Tensor::internal_cudnn_rnn_flatten_weight(
            weights,
            weights.len() as i64,
            input,
            LSTM,
            hidden,
            0,
            1,
            true,
            false,
        );
    }
}

impl Network {
    /// A network for the task `T` with freshly initialised parameters, drawn from libtorch's generator. Every operation of
    /// the space must fit the dimensions ([`Space::check`]).
    pub fn new<T: Task>(space: &Space, dimensions: &Dimensions, naming: Naming, device: Device) -> Network {
        let d = dimensions;
        let store = nn::VarStore::new(device);
        let root = store.root();
        let path = |dotted: &str| dotted.split('.').fold(root.clone(), |p, part| p / part);
        let embedding = root.clone() / "embedding";
        let embedding = embedding.randn_standard("weight", &[d.vocabulary as i64, d.embedding as i64]);
        let lstm = path("lstm");
        let bound = 1.0 / (d.hidden as f64).sqrt();
        let gates = 4 * d.hidden as i64;
        let shapes = [
            ("weight_ih_l0", vec![gates, d.embedding as i64]),
            ("weight_hh_l0", vec![gates, d.hidden as i64]),
            ("bias_ih_l0", vec![gates]),
            ("bias_hh_l0", vec![gates]),
        ];
        let lstm = shapes.map(|(name, shape)| lstm.uniform(name, &shape, -bound, bound));
        flatten_for_cudnn(&lstm, d, device);
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
        let image = Linear::new(path("imgfeat_linear"), d.feature, d.hidden, true);
        let relation = Linear::new(path("linear_y_rel"), 4, d.relation, true);
        let head = T::head(&root, d);
        let parameters: Parameters = store.variables().into_iter().collect();
        let owner = |name: &String| {
            let operation =
                operation_prefixes.iter().find(|(prefix, _)| name.starts_with(prefix)).map(|(_, owner)| *owner);
            operation.unwrap_or(if name.starts_with("linear_y_rel.") { Owner::Relations } else { Owner::Shared })
        };
        let owners = parameters.keys().map(owner).collect();
        Network {
            space: space.clone(),
            dimensions: d.clone(),
            embedding,
            lstm: lstm.into(),
            image,
            relation,
            blocks,
            head,
            norm: None,
            precision: Precision::default(),
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

    /// Where its parameters lie.
    pub fn device(&self) -> Device {
        self.device
    }

    /// Its parameters by name. They are shared with the network: writing into them changes it.
    pub fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    /// Standardises features from now on.
    pub fn set_feature_norm(&mut self, norm: Option<FeatureNorm>) {
        let here = |t: Tensor| t.to_device(self.device);
        self.norm = norm.map(|norm| FeatureNorm { mean: here(norm.mean), std: here(norm.std) });
    }

    /// Computes the matrix products of the blocks in `precision` from now on; [`Network::stage_outputs`] stays in 32 bits.
    pub fn set_precision(&mut self, precision: Precision) {
        self.precision = precision;
    }

    /// How features are standardised.
    pub fn feature_norm(&self) -> Option<&FeatureNorm> {
        self.norm.as_ref()
    }

    /// Starts words from given vectors; the others keep their random ones.
    pub fn set_word_vectors(&self, vectors: &WordVectors) -> Result<()> {
        let _guard = tch::no_grad_guard();
        for (word, vector) in &vectors.rows {
            let vector = Tensor::from_slice(vector).to_device(self.device);
            self.embedding.f_get(*word as i64)?.f_copy_(&vector)?;
        }
        Ok(())
    }

    /// The names of the parameters that a pass along `path` uses, and so the ones that get a gradient. Operations that
    /// are not on it are left out, so that an optimiser does not move them by old momentum (the published code does).
    pub fn parameters_on(&self, path: &Path) -> Vec<&String> {
        let relations = self.uses_relations(path);
        let used = |owner: &Owner| match owner {
            Owner::Shared => true,
            Owner::Relations => relations,
            Owner::Operation { block, index } => path.0[*block].is_active(*index),
        };
        self.parameters.keys().zip(&self.owners).filter(|(_, owner)| used(owner)).map(|(name, _)| name).collect()
    }

    fn operation(&self, block: usize, index: usize) -> &Candidate {
        let encoder = self.space.encoder.len();
        if block < encoder { &self.space.encoder[block][index] } else { &self.space.decoder[block - encoder][index] }
    }

    /// The layer of an operation that reads relations. In the encoder there are none to be read.
    fn relation_projection(&self, (block, index): (usize, usize)) -> Option<Projection<'_>> {
        if block < self.space.encoder.len() { None } else { self.blocks[block][index].relation_projection() }
    }

    /// The operations, block and index, that `counts` and that read relations, with their layers.
    fn readers(&self, path: &Path, counts: impl Fn(&Choice, usize) -> bool) -> Vec<((usize, usize), Projection<'_>)> {
        let all = path.0.iter().enumerate().flat_map(|(block, choice)| {
            (0..self.blocks[block].len()).filter(|&index| counts(choice, index)).map(move |index| (block, index))
        });
        all.filter_map(|operation| Some((operation, self.relation_projection(operation)?))).collect()
    }

    /// Whether an active operation of the path reads relations.
    fn uses_relations(&self, path: &Path) -> bool {
        !self.readers(path, Choice::is_active).is_empty()
    }

    /// The biases of all operations that run and read relations, those of the active ones with a graph.
    fn relation_biases(&self, path: &Path, boxes: &Tensor, padding: Option<&Tensor>) -> RelationBiases {
        let rests = |choice: &Choice, index: usize| choice.runs(index) && !choice.is_active(index);
        let (trained, of_trained): (Vec<_>, Vec<_>) = self.readers(path, Choice::is_active).into_iter().unzip();
        let (fixed, of_fixed): (Vec<_>, Vec<_>) = self.readers(path, rests).into_iter().unzip();
        let shared = self.relation.projection();
        let Some(shared) = shared.filter(|_| !trained.is_empty() || !fixed.is_empty()) else {
            return RelationBiases::new();
        };
        let (with_graph, without) = relation::biases_of(boxes, padding, shared, (&of_trained, &of_fixed));
        trained.into_iter().zip(with_graph).chain(fixed.into_iter().zip(without)).collect()
    }

    fn block(
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
                    // The gradient of a gate needs the output's value only; building no graph for it saves its memory.
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

    /// Tokens → the LSTM's states, `[batch, tokens, H]`.
    fn embed(&self, tokens: &Tensor) -> Tensor {
        let words = Tensor::embedding(&self.embedding, tokens, -1, false, false);
        let zeros = || Tensor::zeros([1, words.size()[0], self.dimensions.hidden as i64], (Kind::Float, self.device));
        // "Training", which is dropout between layers elsewhere and of which there is one here: cuDNN keeps what gradients need only then.
        words.lstm(&[zeros(), zeros()], &self.lstm, true, 1, 0.0, true, false, true).0
    }

    /// Features as the network reads them.
    fn standardised(&self, features: &Tensor) -> Tensor {
        match &self.norm {
            Some(norm) => (features - &norm.mean) / &norm.std,
            None => features.shallow_clone(),
        }
    }

    fn regions(&self, standardised: &Tensor, precision: Precision) -> Tensor {
        self.image.forward(&precision.operand(standardised)).to_kind(Kind::Float)
    }

    /// The task's output for `inputs` along `path`; for VQA logits `[batch, answers]`. A network with a joint embedding gives
    /// those of text and image beside it: `[batch, outputs + 2 joint]`.
    pub fn forward(&self, inputs: &Inputs, path: &Path, dropout: Dropout) -> Tensor {
        self.forward_in(inputs, path, dropout, self.precision)
    }

    fn forward_in(&self, inputs: &Inputs, path: &Path, dropout: Dropout, precision: Precision) -> Tensor {
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
        let joint = self.dimensions.joint.map(|_| self.first_guided());
        let mut before_text = None;
        for (block, choice) in path.0.iter().enumerate().skip(encoder) {
            if joint == Some(block) {
                before_text = Some(y.shallow_clone());
            }
            y = self.block(block, choice, &y, (&context, &biases));
        }
        // Last, as ever: dropout draws from one generator, so another order would be another run of the same seed.
        let text = self.head.pool_text(&x, text_mask.as_ref(), dropout);
        let before_text = joint.map(|_| before_text.unwrap_or_else(|| y.shallow_clone()));
        let embedded = before_text.and_then(|y| self.head.embed(&text, &y, &features, region_mask.as_ref(), dropout));
        let output = self.head.output(&text, &y, region_mask.as_ref(), dropout);
        match embedded {
            Some((texts, images)) => {
                let output = self.with_joint_score(output, &texts, &images);
                Tensor::cat(&[output, texts, images], -1)
            }
            None => output,
        }
    }

    /// The head's output with what the joint embeddings say.
    fn with_joint_score(&self, output: Tensor, texts: &Tensor, images: &Tensor) -> Tensor {
        match self.head.joint_score(texts, images) {
            Some(score) => output + score,
            None => output,
        }
    }

    /// Scale and bias, where a pair's logit is `scale · cosine + bias` of its joint embeddings as long as nothing else was trained.
    pub(crate) fn cosine_alone(&self) -> Option<(f64, f64)> {
        self.head.cosine_alone()
    }

    /// The first block of the decoder that may read the text; the number of all blocks where there is none.
    fn first_guided(&self) -> usize {
        let reads =
            |block: &usize| (0..self.blocks[*block].len()).any(|index| self.operation(*block, index).reads_text());
        (self.space.encoder.len()..self.blocks.len()).find(reads).unwrap_or(self.blocks.len())
    }

    /// What the stages of a bundle of this network give for `inputs`, by the names that mmnas-export gives them: first
    /// the text stage's, then the image stage's, then the output of the head. Of a derived network, in evaluation.
    pub fn stage_outputs(&self, inputs: &Inputs) -> StageOutputs {
        let _guard = tch::no_grad_guard();
        let path = Path::single(&vec![0; self.space.len()]);
        let (off, full) = (Dropout(0.0), Precision::Float32);
        let (text_mask, region_mask) = (inputs.text_mask(), inputs.region_mask());
        let encoder = self.space.encoder.len();
        let only = Choice::One(0);
        // A bundle has no use for relations with padding, so its image stage leaves them as they come.
        let biases = self.relation_biases(&path, &inputs.boxes, None);
        let mut x = self.embed(&inputs.tokens);
        let context = Context::new(text_mask.as_ref(), off, full);
        for block in 0..encoder {
            x = self.block(block, &only, &x, (&context, &biases));
        }
        let pooled = self.head.pool_text(&x, text_mask.as_ref(), off);
        let mut text = vec![("text_pooled".to_owned(), pooled.shallow_clone())];
        let attention = self.head.text_attention(&x, text_mask.as_ref());
        text.extend(attention.map(|attention| ("text_attention".to_owned(), attention)));
        for (index, module) in self.blocks[encoder..].iter().enumerate() {
            if let Some((keys, values)) = module[0].text_keys_values(&x) {
                text.push((format!("key_{index}"), keys));
                text.push((format!("value_{index}"), values));
            }
        }
        let first_guided = self.first_guided();
        let context = Context::new(region_mask.as_ref(), off, full);
        let features = self.standardised(&inputs.features);
        let mut y = self.regions(&features, full);
        for block in encoder..first_guided {
            y = self.block(block, &only, &y, (&context, &biases));
        }
        let mut image = vec![("regions".to_owned(), y.shallow_clone())];
        let kept: Vec<&Tensor> = biases.range((first_guided, 0)..).map(|(_, bias)| bias).collect();
        if !kept.is_empty() {
            image.push(("relation_bias".to_owned(), Tensor::cat(&kept, 1)));
        }
        let embedded = self.head.embed(&pooled, &y, &features, region_mask.as_ref(), off);
        if let Some((of_text, of_image)) = &embedded {
            text.push(("text_embedding".to_owned(), of_text.shallow_clone()));
            image.push(("image_embedding".to_owned(), of_image.shallow_clone()));
        }
        let context = Context { text: Some(&x), text_mask: text_mask.as_ref(), ..context };
        for block in first_guided..self.blocks.len() {
            y = self.block(block, &only, &y, (&context, &biases));
        }
        let region_attention = self.head.region_attention(&y, region_mask.as_ref());
        let mut output = self.head.output(&pooled, &y, region_mask.as_ref(), off);
        if let Some((of_text, of_image)) = &embedded {
            output = self.with_joint_score(output, of_text, of_image);
        }
        StageOutputs { text, image, output, region_attention }
    }
}

/// Outputs of the stages, by name.
#[derive(Debug)]
pub struct StageOutputs {
    /// `text_pooled` `[batch, 2 H]`; `text_attention` `[batch, tokens]`; `text_embedding` `[batch, joint]` where the network
    /// has such embeddings; for each GA block `b` of the decoder `key_b` and `value_b`
    /// `[batch, heads, tokens, head width]`.
    pub text: Vec<(String, Tensor)>,
    /// `regions` `[batch, regions, H]` after the blocks before the first GA; `relation_bias`
    /// `[batch, RSA blocks from there on · heads, regions, regions]` where there are such blocks; `image_embedding`
    /// `[batch, joint]`.
    pub image: Vec<(String, Tensor)>,
    /// Output of the head.
    pub output: Tensor,
    /// How much each region counts in it, `[batch, regions]`, where the head pools them.
    pub region_attention: Option<Tensor>,
}
