//! The command `evaluate`.

use std::path::PathBuf;

use crate::cli::failure::Failure;
use crate::cli::images::OnSamples;
use crate::cli::samples::with_samples;
use crate::cli::{output, progress};
use clap::Args;
use mmnas_runtime::bundle::manifest::TaskName;
use mmnas_runtime::bundle::samples::{Broken, Reading, Sample, SampleFile};
use mmnas_runtime::{
    BothWays, Evaluated, Evaluation, GroundingEvaluation, ImageSource, LoadOptions, Model, Recall, RetrievalEvaluation,
    RetrievalStage, WordNet, evaluate, evaluate_grounding, evaluate_retrieval,
};

const EXAMPLES: &str = "\
A sample is a line of JSON. vqa: {\"image\": \"1.png\", \"question\": \"what is it?\", \"answer\": \"dog\"};
an answer counts where the best label is the sample's letter for letter, several words in any order; where samples have the answers of
ten annotators, as VQA-v2 does, its official accuracy is told too. vgd: image, phrase, box_xyxy;
the best box counts from an intersection over union of 0.5 on, with the sample's or with any that the file has for the phrase. itm: image, captions; every caption is
scored with every image, or with --shortlist with the nearest. Captions of one image may stand on several lines; a caption counts for its own image,
and where other images have the same words, recall is told a second time with these as right too.
Lines are read as training reads them (docs/src/reference/data-formats.md): a broken one is an error with its line, or left out and counted with --skip-broken.
Milliseconds are medians; \"image new\" is encoding the image file plus an answer.

Examples:
  mmnas evaluate bundle --samples test.jsonl --images data/test
  mmnas evaluate bundle --samples test.jsonl --images data/test --variant ort-int8
  mmnas evaluate bundle --samples test.jsonl --images data/test --limit 1000 --json
  mmnas evaluate bundle --samples val.jsonl --features features
  mmnas evaluate bundle --samples captions.jsonl --images photos --shortlist 100";

#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    #[command(flatten)]
    given: OnSamples,
    /// Folder of a WordNet database, `dict` with index.noun and data.noun: WUPS beside the accuracy (vqa)
    #[arg(long, value_name = "DIR")]
    wordnet: Option<PathBuf>,
    /// Score of each query only the N candidates whose embeddings are nearest (itm): the two steps of a large index
    #[arg(long, value_name = "N")]
    shortlist: Option<usize>,
    /// Ask only the first N samples
    #[arg(long, value_name = "N")]
    limit: Option<std::num::NonZeroUsize>,
    /// Leave out samples that are broken, and say so, where the first would be an error: lines that do not parse, images that are not
    /// there or cannot be decoded, texts without a word, boxes that are none
    #[arg(long)]
    skip_broken: bool,
}

pub(crate) fn run(arguments: &Arguments, options: &LoadOptions) -> Result<(), Failure> {
    let model = Model::load(&arguments.given.bundle, options)?;
    let (variant, provider) = (model.form().to_string(), model.provider().to_string());
    let task = model.manifest().task;
    for (option, given, of) in [
        ("--wordnet", arguments.wordnet.is_some(), TaskName::Vqa),
        ("--shortlist", arguments.shortlist.is_some(), TaskName::Itm),
    ] {
        if given && task != of {
            let expected = format!("a bundle of {of}, for {option}");
            let found = format!("one of {task}");
            let error = mmnas_runtime::bundle::Error::invalid(&arguments.given.bundle, "task", expected, found);
            return Err(mmnas_runtime::Error::from(error).into());
        }
    }
    let print =
        |json: serde_json::Result<serde_json::Value>, (about, left_out): (&Evaluated, &Broken), mut rows: Rows| {
            if arguments.given.json {
                let mut json = json?;
                json["variant"] = variant.as_str().into();
                json["provider"] = provider.as_str().into();
                if arguments.skip_broken {
                    json["left_out"] = serde_json::json!({ "count": left_out.count, "first": left_out.first });
                }
                return output::print_json(&json);
            }
            if left_out.count > 0 {
                rows.push(("broken samples left out", left_out.count.to_string()));
            }
            Ok(output::print(&text(about, (&variant, &provider), rows))?)
        };
    match task {
        TaskName::Vqa => {
            let net = arguments.wordnet.as_deref().map(WordNet::read).transpose()?;
            let (e, left_out) = measured(arguments, &model, "questions", |samples, images, done| {
                evaluate(&model, samples, images, net.as_ref(), done)
            })?;
            print(serde_json::to_value(&e), (&e.bundle, &left_out), of_answers(&e))
        }
        TaskName::Vgd => {
            let (e, left_out) = measured(arguments, &model, "phrases", |samples, images, done| {
                evaluate_grounding(&model, samples, images, done)
            })?;
            if e.reachable == 0 {
                output::line(
                    "no region reaches an intersection over union of 0.5 with the box of any phrase: are the boxes x1, y1, x2, y2 in pixels of these images?",
                );
            }
            print(serde_json::to_value(&e), (&e.bundle, &left_out), of_groundings(&e))
        }
        TaskName::Itm => {
            let mut bar = progress::Stages::default();
            let (e, read) =
                with_samples(&arguments.given, &model, arguments.reading(), |read: &SampleFile<_>, images| {
                    let watched = &mut |stage, done, of| bar.at(unit(stage), done, of);
                    Ok(evaluate_retrieval(&model, &read.samples, images, arguments.shortlist, watched)?)
                })?;
            drop(bar);
            print(serde_json::to_value(&e), (&e.bundle, &read.broken), of_ranks(&e))
        }
    }
}

/// What a table says, a name and a value a row.
type Rows = Vec<(&'static str, String)>;

impl Arguments {
    fn reading(&self) -> Reading {
        Reading { skip_broken: self.skip_broken, limit: self.limit.map(std::num::NonZeroUsize::get) }
    }
}

/// What a stage's bar counts.
fn unit(stage: RetrievalStage) -> &'static str {
    match stage {
        RetrievalStage::EncodingImages => "images encoded",
        RetrievalStage::EncodingCaptions => "captions encoded",
        RetrievalStage::ScoringCaptions => "captions scored",
        RetrievalStage::ScoringImages => "images scored",
    }
}

/// Reads the samples and evaluates them, watched; tells what was left out too.
fn measured<S: Sample, E>(
    arguments: &Arguments,
    model: &Model,
    what: &'static str,
    evaluate: impl FnOnce(&[S], ImageSource<'_>, &mut dyn FnMut(usize)) -> mmnas_runtime::Result<E>,
) -> Result<(E, Broken), Failure> {
    let (outcome, read) =
        with_samples(&arguments.given, model, arguments.reading(), |read: &SampleFile<S>, images| {
            let bar = progress::bar(read.samples.len(), what);
            let outcome = evaluate(&read.samples, images, &mut |done| bar.set_position(done as u64));
            bar.finish_and_clear();
            Ok(outcome?)
        })?;
    Ok((outcome, read.broken))
}

fn percent(share: f64) -> String {
    format!("{:.2} %", share * 100.0)
}

fn of_answers(e: &Evaluation) -> Rows {
    let mut rows = vec![("test accuracy", format!("{} ({} of {})", percent(e.accuracy), e.correct, e.questions))];
    if let Some(official) = &e.official {
        let of = |(kind, accuracy): (&String, &f64)| format!("{kind} {}", percent(*accuracy));
        let by_type = official.by_type.iter().map(of).collect::<Vec<_>>().join(", ");
        let by_type = if by_type.is_empty() { by_type } else { format!(" ({by_type})") };
        rows.push(("official VQA accuracy", format!("{}{by_type}", percent(official.accuracy))));
    }
    if e.single < e.questions {
        let share = percent(e.single_correct as f64 / e.single.max(1) as f64);
        rows.push(("the same, answers that are no lists", format!("{share} ({} of {})", e.single_correct, e.single)));
    }
    if e.known < e.questions {
        let most = percent(e.known as f64 / e.questions.max(1) as f64);
        rows.push(("answers that the bundle knows", format!("{most} ({} of {})", e.known, e.questions)));
    }
    rows.extend(e.wups.map(|w| ("WUPS 0.9 / 0.0", format!("{} / {}", percent(w.at_0_9), percent(w.at_0_0)))));
    rows.push((
        "milliseconds an answer, image known / image new",
        format!("{:.2} / {:.2}", e.milliseconds_known, e.milliseconds_new),
    ));
    rows
}

fn of_groundings(e: &GroundingEvaluation) -> Rows {
    let of_phrases = format!("{} (of {} different phrases)", percent(e.accuracy_any_box), e.different_phrases);
    let reachable = e.reachable as f64 / e.phrases.max(1) as f64;
    vec![
        ("accuracy at IoU 0.5", format!("{} ({} of {})", percent(e.accuracy), e.correct, e.phrases)),
        ("the same, any box of a phrase", of_phrases),
        ("phrases whose box a region meets", format!("{} ({} of {})", percent(reachable), e.reachable, e.phrases)),
        ("mean IoU", format!("{:.3}", e.mean_iou)),
        (
            "milliseconds a phrase, image known / image new",
            format!("{:.2} / {:.2}", e.milliseconds_known, e.milliseconds_new),
        ),
    ]
}

fn of_ranks(e: &RetrievalEvaluation) -> Rows {
    let three = |r: &Recall| [r.at_1, r.at_5, r.at_10].map(percent).join(" / ");
    let mut rows = vec![
        ("images, captions", format!("{}, {}", e.images, e.captions)),
        ("candidates scored", e.shortlist.map_or_else(|| "all".to_owned(), |n| format!("the {n} nearest"))),
        ("image to text, recall@1 / 5 / 10", three(&e.image_to_text)),
        ("text to image, recall@1 / 5 / 10", three(&e.text_to_image)),
        ("mean recall", percent(e.mean_recall)),
    ];
    if let Some(BothWays { image_to_text, text_to_image, mean_recall }) = &e.same_words {
        let shared = format!("{} of {}", e.shared_captions, e.captions);
        rows.push(("captions whose words another image has too", shared));
        rows.push(("the same where these count too, image to text", three(image_to_text)));
        rows.push(("the same where these count too, text to image", three(text_to_image)));
        rows.push(("the same where these count too, mean recall", percent(*mean_recall)));
    }
    rows.push(("milliseconds a pair", format!("{:.3}", e.milliseconds_pair)));
    rows
}

fn text(about: &Evaluated, (variant, provider): (&str, &str), of_task: Vec<(&str, String)>) -> String {
    let mut rows = vec![
        ("task", about.task.to_string()),
        ("variant", variant.to_owned()),
        ("provider", provider.to_owned()),
        ("derived architecture", about.architecture.clone()),
        ("parameters", grouped(about.parameters)),
    ];
    rows.extend(of_task);
    rows.push(("bundle size", format!("{:.2} MB", about.bundle_bytes as f64 / 1e6)));
    output::table(&rows.into_iter().map(|(name, value)| vec![name.to_owned(), value]).collect::<Vec<_>>(), &[])
}

/// A number with a comma between groups of three digits.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (k, digit) in digits.chars().enumerate() {
        if k > 0 && (digits.len() - k).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_numbers_are_readable() {
        for (number, text) in [(0, "0"), (999, "999"), (1000, "1,000"), (12_345_678, "12,345,678")] {
            assert_eq!(grouped(number), text);
        }
    }
}
