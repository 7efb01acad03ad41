//! `mmnas-search convert`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use mmnas_search::Result;
use mmnas_search::data::convert::conversion::Converted;
use mmnas_search::data::convert::{easy_vqa, refcoco, retrieval, vqa_v2};

use super::output;
use super::slow_bar::SlowBar;

/// Writes a data set as JSON lines, with its vocabulary and labels in the published order
#[derive(Args)]
#[command(after_help = "\
What DATA holds, and what the new folder gets (beside tokenizer.json, and labels.json for vqa-v2):
  easy-vqa        {train,test}/questions.json of the PyPI package → train.jsonl, test.jsonl, no
                  tokenizer.json
  vqa-v2          v2_OpenEnded_mscoco_{train2014,val2014,test2015,test-dev2015}_questions.json,
                  v2_mscoco_{train,val}2014_annotations.json, VG_questions.json,
                  VG_annotations.json, as far as they are there → train.jsonl, val.jsonl,
                  test.jsonl, test-dev.jsonl, vg.jsonl
  flickr30k       f30k_precomp/{train,dev,test}_{caps,ids}.txt, dataset_flickr30k.json →
                  train.jsonl, dev.jsonl, test.jsonl
  coco-retrieval  coco_precomp/{train,dev,test}_{caps,ids}.txt → the same
  refcoco         {train,val,testA,testB,test}.json, as far as they are there: lists of {image_id,
                  tokens, bbox}, for RefCOCO, RefCOCO+ and RefCOCOg → one .jsonl each. The pickle
                  refs(unc).p is not read: make the lists from it and instances.json with the
                  published tools.
Images are named by their ids, in Flickr30K by their file names without extension: so they are
found among extracted and packed features and in folders of images, COCO_val2014_000000000009.jpg
as 9.

Examples:
  mmnas-search convert vqa-v2 data/vqa --out vqa
  mmnas-search convert easy-vqa .native/easy_vqa --out data")]
pub(super) struct Arguments {
    /// The data set's format
    format: Format,
    /// The data set's folder
    data: PathBuf,
    /// Folder to write; must not exist
    #[arg(long)]
    out: PathBuf,
}

#[derive(Clone, Copy, ValueEnum)]
enum Format {
    /// The data folder of the PyPI package easy-vqa
    EasyVqa,
    /// VQA-v2, and Visual Genome's questions in its form
    #[value(name = "vqa-v2")]
    VqaV2,
    /// Captions of Flickr30K
    #[value(name = "flickr30k")]
    Flickr30k,
    /// Captions of COCO
    CocoRetrieval,
    /// Referring expressions
    #[value(name = "refcoco")]
    RefCoco,
}

pub(super) fn run(arguments: &Arguments) -> Result<()> {
    let (data, out) = (arguments.data.as_path(), arguments.out.as_path());
    let mut bar = SlowBar::new("files");
    let mut progress = |done, all| bar.at(done, all);
    let converted = match arguments.format {
        Format::EasyVqa => return easy_vqa(arguments),
        Format::VqaV2 => vqa_v2::convert(data, out, &mut progress)?,
        Format::Flickr30k => retrieval::convert_flickr30k(data, out, &mut progress)?,
        Format::CocoRetrieval => retrieval::convert_coco(data, out, &mut progress)?,
        Format::RefCoco => refcoco::convert(data, out, &mut progress)?,
    };
    drop(bar);
    let Converted { samples, words, labels } = converted;
    let samples: Vec<String> = samples.iter().map(|(name, count)| format!("{name} {count}")).collect();
    let labels = labels.map_or_else(String::new, |labels| format!(", {labels} labels"));
    output::line(format_args!("{}: {}; {words} words{labels}", out.display(), samples.join(", ")));
    Ok(())
}

fn easy_vqa(arguments: &Arguments) -> Result<()> {
    let converted = easy_vqa::convert(&arguments.data, &arguments.out)?;
    output::line(format_args!(
        "{}: {} training and {} test questions; the question alone answers {:.1} % of the test",
        arguments.out.display(),
        converted.train,
        converted.test,
        100.0 * converted.without_image
    ));
    Ok(())
}
