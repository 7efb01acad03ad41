//! The command `index`.

mod add;
mod place;

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use mmnas_runtime::{Access, Candidates, EmbeddingFormat, Error, Hit, ImageIndex, LoadOptions, TextIndex};
use serde_json::json;

use crate::cli::commands::index::place::Place;
use crate::cli::failure::Failure;
use crate::cli::image_arguments::{Encoded, ImageArguments};
use crate::cli::output;
use crate::cli::signals::Signals;

const EXAMPLES: &str = "\
Examples:
  mmnas index add bundle photos.index --images photos
  mmnas index add bundle captions.index --texts captions.txt
  mmnas index search bundle photos.index --text \"a dog on a beach\" --shortlist 100
  mmnas index search bundle captions.index --image photo.jpg --top 3
  mmnas index delete bundle photos.index old.jpg
  mmnas index export bundle photos.index --out photos.parquet

Keys are the images' names in their folder, or the texts. Image files are found in a folder and
below, by ending or by content; links are followed; what else lies there is passed over, and told.

Ctrl-C (SIGINT) and SIGTERM end `add` when what it has encoded is committed. It commits every half
minute too: an index is left as the last commit left it whenever a command is killed. The same
command again goes on from there.";

#[derive(Subcommand)]
#[command(after_help = EXAMPLES)]
pub(crate) enum Command {
    /// Encode images or texts that are not in the index yet; makes the index where there is none
    Add(add::Add),
    /// Find the images of texts, or the texts of images
    Search(Search),
    /// Delete keys
    Delete(Delete),
    /// Give back the room of what was deleted and replaced
    Compact(Place),
    /// Tell how many states there are and how large they are
    Info(Place),
    /// Write keys and embeddings as .npy or .parquet, for a vector database
    Export(Export),
}

#[derive(Args)]
#[command(group = clap::ArgGroup::new("query").required(true).args(["text", "image"]))]
pub(crate) struct Search {
    #[command(flatten)]
    place: Place,
    /// Find images for this text; as often as needed
    #[arg(long)]
    text: Vec<String>,
    /// Find texts for this image, or for every image of this folder; as often as needed
    #[arg(long, value_name = "PATH")]
    image: Vec<PathBuf>,
    /// Leave out images that cannot be decoded, and say so, where the first would be an error
    #[arg(long, conflicts_with = "text")]
    skip_broken: bool,
    /// Score only this many, whose embeddings are nearest [default: all]
    #[arg(long, value_name = "N")]
    shortlist: Option<NonZeroUsize>,
    /// How many to give, the best first
    #[arg(long, value_name = "N", default_value = "10")]
    top: NonZeroUsize,
}

#[derive(Args)]
pub(crate) struct Delete {
    #[command(flatten)]
    place: Place,
    /// What to delete
    #[arg(required = true)]
    key: Vec<String>,
}

#[derive(Args)]
pub(crate) struct Export {
    #[command(flatten)]
    place: Place,
    /// The new file; its ending says the format
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

pub(crate) fn run(command: &Command, options: &LoadOptions, signals: &Signals) -> Result<(), Failure> {
    match command {
        Command::Add(arguments) => add::run(arguments, options, signals),
        Command::Search(arguments) => search(arguments, options, signals),
        Command::Delete(arguments) => delete(arguments, options, signals),
        Command::Compact(place) => {
            let mut index = place.open(options, Access::Write, signals)?;
            let _held = signals.hold();
            index.any_mut().compact()?;
            place.tell(index.any(), None, (&[], &[]))
        }
        Command::Info(place) => place.tell(place.open(options, Access::Read, signals)?.any(), None, (&[], &[])),
        Command::Export(arguments) => export(arguments, options, signals),
    }
}

fn delete(arguments: &Delete, options: &LoadOptions, signals: &Signals) -> Result<(), Failure> {
    let place = &arguments.place;
    let mut index = place.open(options, Access::Write, signals)?;
    let _held = signals.hold();
    let index = index.any_mut();
    let before = index.len();
    let missing: Vec<&String> = arguments.key.iter().filter(|key| !index.contains(key)).collect();
    arguments.key.iter().try_for_each(|key| index.delete(key))?;
    index.commit()?;
    output::tell_missing(&missing);
    place.tell(index, Some(("deleted", before - index.len())), (&[], &[]))
}

fn search(arguments: &Search, options: &LoadOptions, signals: &Signals) -> Result<(), Failure> {
    let place = &arguments.place;
    let model = signals.model(&place.bundle, options)?;
    let (mut left_out, mut passed_over) = (Vec::new(), Vec::new());
    let candidates = arguments.shortlist.map_or(Candidates::All, |count| Candidates::Shortlist(count.get()));
    let top = arguments.top.get();
    let (queries, hits): (Vec<String>, Vec<Vec<Hit>>) = if arguments.text.is_empty() {
        let index = TextIndex::open(&model, &place.index, Access::Read)?;
        let found = ImageArguments::find(&arguments.image, arguments.skip_broken)?;
        let encode = |file: &Path| model.encode_file(file);
        let encoded = ImageArguments::encode(&found.images, arguments.skip_broken, encode)?;
        let Encoded { files, states: images, left_out: broken } = encoded;
        (left_out, passed_over) = (broken, found.passed_over);
        let names = files.iter().map(|file| file.display().to_string()).collect();
        (names, index.rank(&images, top, candidates)?)
    } else {
        let index = ImageIndex::open(&model, &place.index, Access::Read)?;
        output::tell_coverage(&model, &arguments.text.iter().map(String::as_str).collect::<Vec<_>>())?;
        let texts = arguments.text.iter().map(|text| model.encode_text(text)).collect::<Result<Vec<_>, _>>()?;
        (arguments.text.clone(), index.rank(&texts, top, candidates)?)
    };
    if place.json {
        let hit = |hit: &Hit| json!({ "key": hit.key, "score": hit.score.probability });
        let entry = |(query, hits): (&String, &Vec<Hit>)| json!({ "query": query, "hits": hits.iter().map(hit).collect::<Vec<_>>() });
        let entries: Vec<_> = queries.iter().zip(&hits).map(entry).collect();
        let mut told = json!({ "results": entries });
        output::add_not_read(&mut told, &left_out, &passed_over);
        return output::print_json(&told);
    }
    let indent = if queries.len() > 1 { "  " } else { "" };
    let mut text = String::new();
    for (query, hits) in queries.iter().zip(&hits) {
        if queries.len() > 1 {
            text += &format!("{query}\n");
        }
        let row = |hit: &Hit| vec![format!("{indent}{}", hit.key), format!("{:.4}", hit.score.probability)];
        text += &output::table(&hits.iter().map(row).collect::<Vec<_>>(), &[1]);
    }
    Ok(output::print(&text)?)
}

fn export(arguments: &Export, options: &LoadOptions, signals: &Signals) -> Result<(), Failure> {
    output::check_new(Some(&arguments.out))?;
    let ending = arguments.out.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
    let format = match ending {
        "npy" => EmbeddingFormat::Npy,
        "parquet" => EmbeddingFormat::Parquet,
        _ => {
            let (expected, found) = ("a name that ends in .npy or .parquet".to_owned(), arguments.out.display());
            return Err(Error::Argument { argument: "--out", expected, found: found.to_string() }.into());
        }
    };
    let index = arguments.place.open(options, Access::Read, signals)?;
    let _held = signals.hold();
    let count = index.any().export_embeddings(&arguments.out, format)?;
    if arguments.place.json {
        return output::print_json(&json!({ "embeddings": count, "out": arguments.out.display().to_string() }));
    }
    Ok(output::print(&format!("{}: {count} embeddings\n", arguments.out.display()))?)
}
