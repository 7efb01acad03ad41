//! `index add`: encodes what is not in an index yet, on all threads, and commits now and then.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use clap::Args;
use mmnas_runtime::bundle;
use mmnas_runtime::{Access, Error, ImageIndex, Index, Kind, LeftOut, LoadOptions, Model, TextIndex};
use rayon::prelude::*;

use crate::cli::commands::index::place::{Place, take_back};
use crate::cli::failure::Failure;
use crate::cli::image_arguments::{ImageArguments, NamedImage};
use crate::cli::signals::Signals;
use crate::cli::{images, output, progress};

/// States that are encoded at a time.
const BATCH: usize = 64;
/// Most states of a commit.
const COMMIT: usize = 1024;
/// Most time between two commits, but for a batch.
const COMMIT_TIME: Duration = Duration::from_secs(30);

#[derive(Args)]
#[command(group = clap::ArgGroup::new("source").required(true).args(["images", "features", "texts"]))]
pub(crate) struct Add {
    #[command(flatten)]
    place: Place,
    /// Folder of images, or an image; as often as needed
    #[arg(long, value_name = "PATH")]
    images: Vec<PathBuf>,
    /// Region features that `mmnas extract` wrote
    #[arg(long, value_name = "DIR")]
    features: Option<PathBuf>,
    /// File of texts, one a line
    #[arg(long, value_name = "FILE")]
    texts: Option<PathBuf>,
    /// Encode and replace what is there already
    #[arg(long)]
    replace: bool,
    /// Leave out what cannot be decoded or must not be read, or has a name that is no UTF-8, and say so, where the first would
    /// be an error
    #[arg(long, conflicts_with_all = ["features", "texts"])]
    skip_broken: bool,
}

pub(crate) fn run(arguments: &Add, options: &LoadOptions, signals: &Signals) -> Result<(), Failure> {
    let place = &arguments.place;
    let mut made = false;
    let outcome = match &arguments.texts {
        Some(file) => add_texts(arguments, file, &mut made, (options, signals)),
        None => add_images(arguments, &mut made, (options, signals)),
    };
    if outcome.is_err() && made {
        // Whether that works or not, what went wrong first is told.
        let _ = take_back(place, options, signals);
    }
    outcome
}

fn add_texts(
    arguments: &Add,
    file: &Path,
    made: &mut bool,
    (options, signals): (&LoadOptions, &Signals),
) -> Result<(), Failure> {
    let place = &arguments.place;
    let model = Model::load(&place.bundle, options)?;
    let content = bundle::read_text_file(file)?;
    // Each once, however often it stands there.
    let mut texts = BTreeSet::new();
    for (number, line) in (1..).zip(content.lines().map(str::trim)).filter(|(_, line)| !line.is_empty()) {
        if model.coverage(line)?.words == 0 {
            let expected = "a text of at least one word";
            return Err(bundle::Error::invalid(file, format!("line {number}"), expected, format!("{line:?}")).into());
        }
        texts.insert(line);
    }
    let exists = place.index.symlink_metadata().is_ok();
    let _held = signals.hold();
    let mut index: TextIndex = open_or_create(&model, &place.index, exists)?;
    *made = !exists;
    let all = texts.len();
    let texts: Vec<&str> = texts.into_iter().filter(|text| arguments.replace || !index.contains(text)).collect();
    output::tell_coverage(&model, &texts)?;
    let how = Filling::of(arguments, signals, (all, "texts"));
    let encode = |place: usize| model.encode_text(texts[place]);
    how.fill(&mut index, &texts, encode)?;
    place.tell(&index, Some(("added", texts.len())), (&[], &[]))
}

fn add_images(arguments: &Add, made: &mut bool, (options, signals): (&LoadOptions, &Signals)) -> Result<(), Failure> {
    let place = &arguments.place;
    let model = Model::load(&place.bundle, options)?;
    let store = arguments.features.as_deref().map(|folder| images::features(&model, folder)).transpose()?;
    let ImageArguments { images, passed_over } = match &store {
        Some(store) => {
            let image = |name: &str| NamedImage { name: name.to_owned(), file: PathBuf::new() };
            ImageArguments { images: store.names().into_iter().map(image).collect(), passed_over: Vec::new() }
        }
        None => ImageArguments::find(&arguments.images, arguments.skip_broken)?,
    };
    check_keys(&images)?;
    let exists = place.index.symlink_metadata().is_ok();
    let _held = signals.hold();
    let mut index: ImageIndex = open_or_create(&model, &place.index, exists)?;
    *made = !exists;
    let new: Vec<&NamedImage> =
        images.iter().filter(|image| arguments.replace || !index.contains(&image.name)).collect();
    let keys: Vec<&str> = new.iter().map(|image| image.name.as_str()).collect();
    let encode = |place: usize| match &store {
        Some(store) => model.encode_regions(&store.get(keys[place])?),
        None => model.encode_file(&new[place].file),
    };
    let how = Filling::of(arguments, signals, (images.len(), "images"));
    let left_out = how.fill(&mut index, &keys, encode)?;
    let added = keys.len() - left_out.len();
    place.tell(&index, Some(("added", added)), (&left_out, &passed_over))
}

/// Opens the index in `folder` to be written to; makes it where it does not exist.
fn open_or_create<K: Kind>(model: &Model, folder: &Path, exists: bool) -> Result<Index<K>, Error> {
    if exists { Index::open(model, folder, Access::Write) } else { Index::create(model, folder) }
}

/// An error where images of several arguments would have one key, or a file's own name is no key.
fn check_keys(images: &[NamedImage]) -> Result<(), Failure> {
    let mut files = BTreeMap::new();
    for NamedImage { name, file } in images {
        let wrong = |expected: &str, found: String| {
            Err(Error::Argument { argument: "--images", expected: expected.to_owned(), found }.into())
        };
        if file.file_name().is_some_and(|name| name.to_str().is_none()) {
            return wrong("file names in UTF-8", format!("{file:?}"));
        }
        if let Some(other) = files.insert(name, file) {
            let found = format!("{name:?} of {} and of {}", other.display(), file.display());
            return wrong("images with different names in their folders", found);
        }
    }
    Ok(())
}

/// How an index is filled.
struct Filling<'a> {
    signals: &'a Signals,
    skip_broken: bool,
    replace: bool,
    /// How many are to be in the index at the end, and what they are.
    all: usize,
    unit: &'static str,
}

impl<'a> Filling<'a> {
    fn of(arguments: &Add, signals: &'a Signals, (all, unit): (usize, &'static str)) -> Filling<'a> {
        Filling { signals, skip_broken: arguments.skip_broken, replace: arguments.replace, all, unit }
    }

    /// Encodes `keys` by their places on all threads, puts in order, commits now and then.
    ///
    /// Gives the images that cannot be decoded, if those may be left out.
    fn fill<K: Kind>(
        &self,
        index: &mut Index<K>,
        keys: &[&str],
        encode: impl Fn(usize) -> Result<K::State, Error> + Sync,
    ) -> Result<Vec<LeftOut>, Failure>
    where
        K::State: Send,
    {
        let stop = self.signals.stop();
        // What is being encoded when a signal comes is kept too.
        let encode = |place: usize| if stop.is_cancelled() { Err(Error::Cancelled) } else { encode(place) };
        let bar = progress::bar(keys.len(), "encoded");
        let (mut left_out, mut done) = (Vec::new(), 0);
        let (mut pending, mut committed) = (0, Instant::now());
        let places: Vec<usize> = (0..keys.len()).collect();
        for batch in places.chunks(BATCH) {
            let states: Vec<Result<K::State, Error>> = batch.par_iter().map(|&place| encode(place)).collect();
            // What comes behind one that a signal cut off may be done all the same.
            let (mut stopped, mut failed) = (false, None);
            for (&place, state) in batch.iter().zip(states) {
                let outcome = match state {
                    Ok(state) => index.put(keys[place], &state).map(|()| done += 1),
                    Err(Error::Cancelled) => {
                        stopped = true;
                        Ok(())
                    }
                    Err(error) if self.skip_broken => LeftOut::of(keys[place], error).map(|image| left_out.push(image)),
                    Err(error) => Err(error),
                };
                if let Err(error) = outcome {
                    failed = Some(error);
                    break;
                }
            }
            pending += batch.len();
            bar.inc(batch.len() as u64);
            let ends = stopped || failed.is_some();
            if ends || pending >= COMMIT || committed.elapsed() >= COMMIT_TIME {
                // What was encoded before an error is not to be encoded again.
                index.commit()?;
                (pending, committed) = (0, Instant::now());
            }
            if ends {
                bar.finish_and_clear();
                output::tell_left_out(&left_out);
                return Err(failed.map_or_else(|| Failure::Stopped(self.stopped(keys.len(), done)), Failure::Library));
            }
        }
        index.commit()?;
        bar.finish_and_clear();
        output::tell_left_out(&left_out);
        Ok(left_out)
    }

    fn stopped(&self, keys: usize, done: usize) -> String {
        let Filling { all, unit, .. } = self;
        if self.replace {
            return format!(
                "stopped: {done} of {all} {unit} are replaced; the same command replaces all of them again"
            );
        }
        let kept = all - keys + done;
        format!("stopped: {kept} of {all} {unit} are kept; the same command goes on")
    }
}
