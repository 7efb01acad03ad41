//! Arguments of a command's data: what it trains on.

use std::path::PathBuf;

use clap::Args;
use mmnas_bundle::Architecture;
use mmnas_bundle::manifest::TaskName;
use mmnas_search::Pool;
use mmnas_search::data::data_files::DataFiles;
use mmnas_search::recipe::Recipe;
use mmnas_search::space::limits::Latency;
use mmnas_search::task::Task;
use mmnas_search::task::itm::data::ItmData;
use mmnas_search::task::vgd::data::VgdData;
use mmnas_search::task::vqa::data::VqaData;
use mmnas_search::train::learnable_check as learnable;
use mmnas_search::train::learnable_check::RunKind;
use mmnas_search::{Result, RunFolder};

use super::output;

/// The task, its data and its recipe.
#[derive(Args)]
pub(super) struct DataArguments {
    /// The task
    #[arg(long, value_enum, default_value_t = TaskArgument::Vqa)]
    task: TaskArgument,
    /// The recipe, TOML
    #[arg(long)]
    recipe: PathBuf,
    #[command(flatten)]
    files: FileArguments,
    /// Replace a value of the recipe, as often as needed
    #[arg(long = "set", value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Do this as the published code does it, although there is better: all, alpha-start, validate-on-alpha, momentum-drift,
    /// resume-skips-decays, false-negatives, padding, score-padding (see docs/src/concepts/differences-from-the-paper.md). As often as needed
    #[arg(long, value_name = "SWITCH")]
    published: Vec<String>,
    /// Print the result as JSON
    #[arg(long)]
    pub(super) json: bool,
}

/// The files of a task's data, and where to compute.
#[derive(Args)]
pub(super) struct FileArguments {
    /// Samples, JSON lines: image, question, answer, answers (vqa); image, captions (itm); image, phrase, box_xyxy (vgd). As
    /// often as needed
    #[arg(long, required = true)]
    samples: Vec<PathBuf>,
    /// Samples to validate on, of other images; without it they are cut from the samples
    #[arg(long)]
    validation: Option<PathBuf>,
    /// Features of the samples' images, written by `mmnas extract` or `mmnas-search pack`. As often as needed
    #[arg(long, required = true)]
    features: Vec<PathBuf>,
    /// Take words and text rule from this tokenizer.json; without it words get ids by first appearance
    #[arg(long)]
    tokenizer: Option<PathBuf>,
    /// Take the answers from this labels.json (vqa); without it the frequent ones by first appearance
    #[arg(long)]
    labels: Option<PathBuf>,
    /// Start the word vectors from this file, GloVe's text or wink's JSON, as wide as the recipe's model.embedding
    #[arg(long)]
    word_vectors: Option<PathBuf>,
    /// Start from the weights of this retraining, of whatever task: parameters of the same name and shape, the vectors of words
    /// that both know
    #[arg(long, value_name = "RUN")]
    initial: Option<PathBuf>,
    /// Take weights of --initial that were trained on features of another vision stage, too
    #[arg(long, requires = "initial")]
    any_features: bool,
    /// Leave out samples that are broken, and say so, where the first would be an error
    #[arg(long)]
    skip_broken: bool,
    /// Where to compute: cpu, cuda or cuda:N. CUDA needs a full libtorch 2.11, found through --cuda-libraries or LD_LIBRARY_PATH
    #[arg(long, default_value = "cpu")]
    device: String,
    /// Folder of libtorch_cuda.so
    #[arg(long)]
    cuda_libraries: Option<PathBuf>,
}

#[derive(Clone, Copy, clap::ValueEnum)]
pub(super) enum TaskArgument {
    /// Visual question answering
    Vqa,
    /// Image-text matching and retrieval
    Itm,
    /// Visual grounding
    Vgd,
}

impl TaskArgument {
    /// The task's name in bundles.
    pub(super) fn name(self) -> TaskName {
        match self {
            TaskArgument::Vqa => TaskName::Vqa,
            TaskArgument::Itm => TaskName::Itm,
            TaskArgument::Vgd => TaskName::Vgd,
        }
    }
}

/// What is done with a task's data, whichever task it is.
pub(super) trait WithTask {
    fn run<T: Task>(self, recipe: &Recipe, task: &mut T) -> Result<()>;
}

impl DataArguments {
    /// The recipe with everything that the command line says of it.
    pub(super) fn recipe(&self) -> Result<Recipe> {
        Recipe::read_published(&self.recipe, &self.set, &self.published)
    }

    /// Loads the data and goes on with it.
    pub(super) fn load(&self, recipe: &Recipe, then: impl WithTask) -> Result<()> {
        self.files.load(self.task.name(), recipe, then)
    }
}

impl FileArguments {
    /// Loads the data of `task` and goes on with it.
    pub(super) fn load(&self, task: TaskName, recipe: &Recipe, then: impl WithTask) -> Result<()> {
        let files = DataFiles {
            samples: self.samples.clone(),
            validation: self.validation.clone(),
            features: self.features.clone(),
            tokenizer: self.tokenizer.clone(),
            labels: self.labels.clone(),
            word_vectors: self.word_vectors.clone(),
            initial: self.initial.clone(),
            any_features: self.any_features,
            skip_broken: self.skip_broken,
        };
        // Before anything else of libtorch is used: what it does first settles whether the process
        // has CUDA.
        let device = mmnas_search::device::select(&self.device, self.cuda_libraries.as_deref())?;
        match task {
            TaskName::Vqa => with(recipe, VqaData::load(&files, recipe, device)?, then),
            TaskName::Itm => with(recipe, ItmData::load(&files, recipe, device)?, then),
            TaskName::Vgd => with(recipe, VgdData::load(&files, recipe, device)?, then),
        }
    }
}

fn with<T: Task>(recipe: &Recipe, mut task: T, then: impl WithTask) -> Result<()> {
    let broken = task.data().broken();
    if broken.count > 0 {
        output::note(broken);
    }
    if let Some(vectors) = task.data().word_vectors() {
        let words = task.data().vocabulary().len();
        output::note(format_args!("{} of {words} words have a vector", vectors.found()));
    }
    then.run(recipe, &mut task)
}

/// What searching and retraining are given alike.
#[derive(Args)]
pub(super) struct RunArguments {
    #[command(flatten)]
    pub(super) data: DataArguments,
    /// Folder of the run
    #[arg(long)]
    pub(super) out: PathBuf,
    /// Go on with the run that lies there, to the result that it would have had
    #[arg(long)]
    resume: bool,
}

impl RunArguments {
    /// The run's folder, which belongs to this process from now on.
    pub(super) fn open<T: Task>(
        &self,
        recipe: &Recipe,
        task: &T,
        architecture: Option<&Architecture>,
        latency: Option<&Latency>,
    ) -> Result<RunFolder> {
        // Before the folder is written: what a failed start records would be in the way of the
        // corrected command.
        let kind = if architecture.is_some() { RunKind::Retraining } else { RunKind::Search };
        learnable::check(recipe, &Pool::standard(), task, kind)?.iter().for_each(output::note);
        let inputs = task.data().run_inputs(T::NAME, architecture).with_latency(latency);
        RunFolder::open(&self.out, recipe, &inputs, self.resume)
    }
}
