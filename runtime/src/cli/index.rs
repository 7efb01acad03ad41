use std::collections::BTreeSet;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use mmnas_runtime::bundle;
use mmnas_runtime::bundle::samples::BYTE_ORDER_MARK;
use mmnas_runtime::{
    Access, Candidates, EmbeddingFormat, Error, ErrorCode, Hit, ImageIndex, IndexKind, LeftOut, LoadOptions, Model,
    TextIndex, image_files,
};
use rayon::prelude::*;
use serde_json::json;

use super::{Failure, images, output, progress};

const EXAMPLES: &str = "\
Examples:
  mmnas index add bundle photos.index --images photos
  mmnas index add bundle captions.index --texts captions.txt
  mmnas index search bundle photos.index --text \"a dog on a beach\" --shortlist 100
  mmnas index search bundle captions.index --image photo.jpg --top 3
  mmnas index delete bundle photos.index old.jpg
  mmnas index export bundle photos.index --out photos.parquet

Keys are the images' names in their folder, or the texts. An index is left as the last commit
left it whenever a command is killed; the same command again goes on from there.";

/// States that are encoded at a time.
const BATCH: usize = 64;
/// States of a commit.
const COMMIT: usize = 1024;

#[derive(Subcommand)]
#[command(after_help = EXAMPLES)]
pub(super) enum Command {
    /// Encode images or texts that are not in the index yet; makes the index where there is none
    Add(Add),
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
pub(super) struct Place {
    /// The bundle's folder; its task is itm
    bundle: PathBuf,
    /// The index's folder
    index: PathBuf,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
#[command(group = clap::ArgGroup::new("source").required(true).args(["images", "features", "texts"]))]
pub(super) struct Add {
    #[command(flatten)]
    place: Place,
    /// Folder of images
    #[arg(long, value_name = "DIR")]
    images: Option<PathBuf>,
    /// Region features that `mmnas extract` wrote
    #[arg(long, value_name = "DIR")]
    features: Option<PathBuf>,
    /// File of texts, one a line
    #[arg(long, value_name = "FILE")]
    texts: Option<PathBuf>,
    /// Encode and replace what is there already
    #[arg(long)]
    replace: bool,
    /// Leave out images that cannot be decoded, and say so, where the first would be an error
    #[arg(long, conflicts_with_all = ["features", "texts"])]
    skip_broken: bool,
}

#[derive(Args)]
#[command(group = clap::ArgGroup::new("query").required(true).args(["text", "image"]))]
pub(super) struct Search {
    #[command(flatten)]
    place: Place,
    /// Find images for this text; as often as needed
    #[arg(long)]
    text: Vec<String>,
    /// Find texts for this image; as often as needed
    #[arg(long)]
    image: Vec<PathBuf>,
    /// Score only this many, whose embeddings are nearest [default: all]
    #[arg(long, value_name = "N")]
    shortlist: Option<NonZeroUsize>,
    /// How many to give, the best first
    #[arg(long, value_name = "N", default_value = "10")]
    top: NonZeroUsize,
}

#[derive(Args)]
pub(super) struct Delete {
    #[command(flatten)]
    place: Place,
    /// What to delete
    #[arg(required = true)]
    key: Vec<String>,
}

#[derive(Args)]
pub(super) struct Export {
    #[command(flatten)]
    place: Place,
    /// The new file; its ending says the format
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

/// An index of either kind.
enum Index {
    Images(ImageIndex),
    Texts(TextIndex),
}

/// What both kinds do alike.
macro_rules! of_either {
    ($index:expr, $found:ident => $body:expr) => {
        match $index {
            Index::Images($found) => $body,
            Index::Texts($found) => $body,
        }
    };
}

impl Place {
    fn open(&self, options: &LoadOptions, access: Access) -> Result<Index, Failure> {
        let model = Model::load(&self.bundle, options)?;
        Ok(match IndexKind::of(&self.index)? {
            IndexKind::Image => Index::Images(ImageIndex::open(&model, &self.index, access)?),
            IndexKind::Text => Index::Texts(TextIndex::open(&model, &self.index, access)?),
        })
    }

    /// One line, or JSON, about the index as it is, and about how many states were `done`, such as `("added", 3)`.
    fn tell(&self, index: &Index, done: Option<(&str, usize)>, left_out: &[LeftOut]) -> Result<(), Failure> {
        let (states, (bytes, garbage)) = of_either!(index, index => (index.len(), index.bytes()));
        let embedding = of_either!(index, index => index.embedding_width());
        if self.json {
            let mut told =
                json!({ "states": states, "bytes": bytes, "deleted_bytes": garbage, "embedding": embedding });
            if let Some((what, count)) = done {
                told[what] = json!(count);
            }
            if !left_out.is_empty() {
                told["left_out"] = json!(left_out);
            }
            return output::print_json(&told);
        }
        let more = done.map_or_else(String::new, |(what, count)| format!("{count} {what}, "));
        let each = bytes.saturating_sub(garbage) as f64 / states.max(1) as f64 / 1e3;
        let line = format!(
            "{}: {more}{states} states, {:.1} MB, {each:.1} kB each, {:.1} MB of them deleted\n",
            self.index.display(),
            bytes as f64 / 1e6,
            garbage as f64 / 1e6
        );
        Ok(output::print(&line)?)
    }
}

pub(super) fn run(command: &Command, options: &LoadOptions) -> Result<(), Failure> {
    match command {
        Command::Add(arguments) => add(arguments, options),
        Command::Search(arguments) => search(arguments, options),
        Command::Delete(arguments) => delete(arguments, options),
        Command::Compact(place) => {
            let mut index = place.open(options, Access::Write)?;
            of_either!(&mut index, index => index.compact())?;
            place.tell(&index, None, &[])
        }
        Command::Info(place) => place.tell(&place.open(options, Access::Read)?, None, &[]),
        Command::Export(arguments) => export(arguments, options),
    }
}

fn delete(arguments: &Delete, options: &LoadOptions) -> Result<(), Failure> {
    let place = &arguments.place;
    let mut index = place.open(options, Access::Write)?;
    let before = of_either!(&index, index => index.len());
    let missing: Vec<&String> =
        arguments.key.iter().filter(|key| !of_either!(&index, index => index.contains(key))).collect();
    of_either!(&mut index, index => {
        arguments.key.iter().try_for_each(|key| index.delete(key))?;
        index.commit()?;
    });
    output::tell_missing(&missing);
    let after = of_either!(&index, index => index.len());
    place.tell(&index, Some(("deleted", before - after)), &[])
}

fn add(arguments: &Add, options: &LoadOptions) -> Result<(), Failure> {
    let place = &arguments.place;
    let mut made = false;
    let outcome = match &arguments.texts {
        Some(file) => add_texts(arguments, file, &mut made, options),
        None => add_images(arguments, &mut made, options),
    };
    if outcome.is_err() && made {
        // Whether that works or not, what went wrong first is told.
        let _ = take_back(place, options);
    }
    outcome
}

/// Removes an index that was made and that nothing came into: it would fix the kind of what can be added to it.
fn take_back(place: &Place, options: &LoadOptions) -> Result<(), Failure> {
    // To write, so that it is no other process's just now.
    let index = place.open(options, Access::Write)?;
    if of_either!(&index, index => index.is_empty()) {
        std::fs::remove_dir_all(&place.index).map_err(bundle::Error::io(&place.index, "remove"))?;
    }
    Ok(())
}

fn add_texts(arguments: &Add, file: &Path, made: &mut bool, options: &LoadOptions) -> Result<(), Failure> {
    let (place, replace) = (&arguments.place, arguments.replace);
    let model = Model::load(&place.bundle, options)?;
    let content = std::fs::read_to_string(file).map_err(bundle::Error::io(file, "read"))?;
    let content = content.strip_prefix(BYTE_ORDER_MARK).unwrap_or(&content);
    // Each once, however often it stands there.
    let mut texts = BTreeSet::new();
    for (number, line) in (1..).zip(content.lines().map(str::trim)).filter(|(_, line)| !line.is_empty()) {
        if model.unread(line)?.words == 0 {
            let expected = "a text of at least one word";
            return Err(bundle::Error::invalid(file, format!("line {number}"), expected, format!("{line:?}")).into());
        }
        texts.insert(line);
    }
    let exists = place.index.symlink_metadata().is_ok();
    let mut index = match exists {
        true => TextIndex::open(&model, &place.index, Access::Write)?,
        false => TextIndex::create(&model, &place.index)?,
    };
    *made = !exists;
    let texts: Vec<&str> = texts.into_iter().filter(|text| replace || !index.contains(text)).collect();
    output::tell_unread(&model, &texts)?;
    let (encode, put) = (|text: &&str| model.encode_text(text), TextIndex::put);
    fill(&mut index, &texts, (encode, put, TextIndex::commit), false)?;
    place.tell(&Index::Texts(index), Some(("added", texts.len())), &[])
}

fn add_images(arguments: &Add, made: &mut bool, options: &LoadOptions) -> Result<(), Failure> {
    let (place, replace) = (&arguments.place, arguments.replace);
    let model = Model::load(&place.bundle, options)?;
    let store = arguments.features.as_deref().map(|folder| images::features(&model, folder)).transpose()?;
    let names = match (&store, &arguments.images) {
        (Some(store), _) => store.names().into_iter().map(str::to_owned).collect(),
        (None, Some(folder)) => image_files(folder)?,
        // The arguments' group asks for one of them.
        (None, None) => Vec::new(),
    };
    let exists = place.index.symlink_metadata().is_ok();
    let mut index = match exists {
        true => ImageIndex::open(&model, &place.index, Access::Write)?,
        false => ImageIndex::create(&model, &place.index)?,
    };
    *made = !exists;
    let names: Vec<&str> = names.iter().map(String::as_str).filter(|name| replace || !index.contains(name)).collect();
    let folder = arguments.images.as_deref().unwrap_or(Path::new(""));
    let encode = |name: &&str| match &store {
        Some(store) => model.encode_regions(&store.get(name)?),
        None => model.encode_file(&folder.join(name)),
    };
    let left_out = fill(&mut index, &names, (encode, ImageIndex::put, ImageIndex::commit), arguments.skip_broken)?;
    place.tell(&Index::Images(index), Some(("added", names.len() - left_out.len())), &left_out)
}

/// Encodes on all threads, puts in order, commits now and then. Gives the images that cannot be decoded, if those may be left
/// out.
fn fill<I, S: Send>(
    index: &mut I,
    keys: &[&str],
    (encode, put, commit): (
        impl Fn(&&str) -> Result<S, Error> + Sync,
        impl Fn(&mut I, &str, &S) -> Result<(), Error>,
        impl Fn(&mut I) -> Result<(), Error>,
    ),
    skip_broken: bool,
) -> Result<Vec<LeftOut>, Failure> {
    let bar = progress::bar(keys.len(), "encoded");
    let mut left_out = Vec::new();
    for part in keys.chunks(COMMIT) {
        for batch in part.chunks(BATCH) {
            let states: Vec<Result<S, Error>> = batch.par_iter().map(&encode).collect();
            for (key, state) in batch.iter().zip(states) {
                match state.and_then(|state| put(index, key, &state)) {
                    Ok(()) => {}
                    Err(error) if skip_broken && error.code() == ErrorCode::Image => {
                        left_out.push(LeftOut { image: (*key).to_owned(), reason: error.to_string() });
                    }
                    Err(error) => {
                        // What was encoded before it is not to be encoded again.
                        commit(index)?;
                        output::tell_left_out(&left_out);
                        return Err(error.into());
                    }
                }
            }
            bar.inc(batch.len() as u64);
        }
        commit(index)?;
    }
    bar.finish_and_clear();
    output::tell_left_out(&left_out);
    Ok(left_out)
}

fn search(arguments: &Search, options: &LoadOptions) -> Result<(), Failure> {
    let place = &arguments.place;
    let model = Model::load(&place.bundle, options)?;
    let candidates = arguments.shortlist.map_or(Candidates::All, |count| Candidates::Shortlist(count.get()));
    let top = arguments.top.get();
    let (queries, hits): (Vec<String>, Vec<Vec<Hit>>) = if arguments.text.is_empty() {
        let index = TextIndex::open(&model, &place.index, Access::Read)?;
        let images = arguments.image.iter().map(|file| model.encode_file(file)).collect::<Result<Vec<_>, _>>()?;
        let names = arguments.image.iter().map(|file| file.display().to_string()).collect();
        (names, index.rank(&images, top, candidates)?)
    } else {
        let index = ImageIndex::open(&model, &place.index, Access::Read)?;
        output::tell_unread(&model, &arguments.text.iter().map(String::as_str).collect::<Vec<_>>())?;
        let texts = arguments.text.iter().map(|text| model.encode_text(text)).collect::<Result<Vec<_>, _>>()?;
        (arguments.text.clone(), index.rank(&texts, top, candidates)?)
    };
    if place.json {
        let hit = |hit: &Hit| json!({ "key": hit.key, "score": hit.score.probability });
        let entry = |(query, hits): (&String, &Vec<Hit>)| json!({ "query": query, "hits": hits.iter().map(hit).collect::<Vec<_>>() });
        let entries: Vec<_> = queries.iter().zip(&hits).map(entry).collect();
        return output::print_json(&json!({ "results": entries }));
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

fn export(arguments: &Export, options: &LoadOptions) -> Result<(), Failure> {
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
    let index = arguments.place.open(options, Access::Read)?;
    let count = of_either!(&index, index => index.export_embeddings(&arguments.out, format))?;
    if arguments.place.json {
        return output::print_json(&json!({ "embeddings": count, "out": arguments.out.display().to_string() }));
    }
    Ok(output::print(&format!("{}: {count} embeddings\n", arguments.out.display()))?)
}
