//! `mmnas-search import`.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use mmnas_bundle::manifest::AnswerScores;
use mmnas_search::Result;
use mmnas_search::bundle::import::settings::ImportSettings;
use mmnas_search::bundle::import::{ImportFiles, import};
use mmnas_search::space::presets as architectures;

use super::data::TaskArgument;
use super::write::WriteArguments;

/// Turns a published checkpoint, or safetensors with the same parameter names (a retraining's too), into a bundle
#[derive(Args)]
#[command(
    after_help = "A checkpoint does not hold words and answers: both files must be in the order that it was trained with.

Examples:
  mmnas-search import --checkpoint best.pkl --arch arch.json --task vqa \\
      --vocab token_to_ix.json --labels answer_dict.json --out bundle
  mmnas-search import --checkpoint itm.safetensors --arch mmnas-itm --task itm --vocab words.txt --out bundle"
)]
pub(super) struct Arguments {
    /// What torch.save wrote, before or since PyTorch 1.6, or safetensors
    #[arg(long)]
    checkpoint: PathBuf,
    /// Architecture: a file in the published form, or a preset's name
    #[arg(long)]
    arch: PathBuf,
    /// What the network is for
    #[arg(long, value_enum)]
    task: TaskArgument,
    /// Words with their ids: a tokenizers file, JSON (words and ids, or a list), or a text file with a word a line
    #[arg(long)]
    vocab: PathBuf,
    /// Answers in the order of the outputs: JSON (a list, or answers and places); needed for vqa
    #[arg(long)]
    labels: Option<PathBuf>,
    /// Texts are cut to this many words [default: 14; 50 for itm]
    #[arg(long)]
    max_tokens: Option<usize>,
    /// Width of an attention head, where no RSA block tells it
    #[arg(long, default_value_t = 64)]
    head: usize,
    /// How the answers' probabilities follow from the outputs (vqa): each by itself, or all together
    #[arg(long, value_enum, default_value = "sigmoid")]
    answer_scores: ScoresArgument,
    #[command(flatten)]
    write: WriteArguments,
}

#[derive(Clone, Copy, ValueEnum)]
enum ScoresArgument {
    /// Several answers may be right, as in the published models
    Sigmoid,
    /// One answer is right
    Softmax,
}

pub(super) fn run(arguments: &Arguments) -> Result<ExitCode> {
    let architecture = architectures::open(&arguments.arch)?;
    let files = ImportFiles {
        checkpoint: arguments.checkpoint.clone(),
        vocabulary: arguments.vocab.clone(),
        labels: arguments.labels.clone(),
    };
    let task = arguments.task.name();
    let settings = ImportSettings {
        task,
        max_tokens: arguments.max_tokens,
        head: arguments.head,
        answer_scores: match arguments.answer_scores {
            ScoresArgument::Sigmoid => AnswerScores::Sigmoid,
            ScoresArgument::Softmax => AnswerScores::Softmax,
        },
    };
    arguments.write.run(|vision, out, options| import(&files, &architecture, settings, vision, out, options))
}
