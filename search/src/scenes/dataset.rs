//! The folder of a data set of scenes, written image by image.

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::ops::Range;
use std::path::{Path, PathBuf};

use image::codecs::png::{CompressionType, FilterType, PngEncoder};
use mmnas_bundle::boxes::BoxXyxy;
use mmnas_bundle::{Error, FeatureWriter, NewFolder, RegionFeatures};
use rayon::prelude::*;
use serde::Serialize;

use crate::error::Result;
use crate::scenes::attributes::Look;
use crate::scenes::language_prior::LanguagePrior;
use crate::scenes::render::picture::picture;
use crate::scenes::render::regions::{FEATURES, form_sha256, regions};
use crate::scenes::scene::Scene;
use crate::scenes::text::captions::{Caption, CaptionWriter};
use crate::scenes::text::phrases::phrases;
use crate::scenes::text::questions::{AskedQuestion, questions};
use crate::seed::rng;

/// Images that are made before their lines are written; also those of a feature shard.
const CHUNK: usize = 256;
/// Largest number of test images whose captions are tried on one another.
const SAMPLED: usize = 300;
/// Allowed image sides in pixels.
///
/// A small shape has enough pixels, and an image is no burden.
const SIDES: Range<u32> = 64..2049;
/// Largest number of questions and of phrases an image.
const MOST_TEXTS: usize = 64;

/// Settings of the data set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Seed of everything that is drawn.
    pub seed: u64,
    /// Number of training images: the first ones.
    pub images: u32,
    /// Number of test images: those after the training images.
    pub test: u32,
    /// Width and height of an image in pixels, 64 to 2048.
    pub side: u32,
    /// Questions an image, 1 to 64.
    ///
    /// Small scenes may have fewer.
    pub questions: usize,
    /// Phrases an image, 1 to 64.
    ///
    /// Small scenes may have fewer.
    pub phrases: usize,
}

/// Counts and shares of the written data set.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Written {
    /// Number of questions.
    pub questions: usize,
    /// Number of captions.
    pub captions: usize,
    /// Number of phrases.
    pub phrases: usize,
    /// Accuracy on the test questions without the image, 0 to 1: see [`LanguagePrior`].
    pub language_prior: f64,
    /// Share of captions that are true of another test image too, 0 to 1.
    ///
    /// It is taken over the pairs of an image and another one's caption, on at most 300 images.
    pub true_of_others: f64,
}

#[derive(Serialize)]
struct QuestionLine<'a> {
    image: &'a str,
    question: &'a str,
    answer: String,
    answer_type: &'static str,
}

#[derive(Serialize)]
struct CaptionLine<'a> {
    image: &'a str,
    captions: Vec<&'a str>,
}

#[derive(Serialize)]
struct PhraseLine<'a> {
    image: &'a str,
    phrase: &'a str,
    box_xyxy: BoxXyxy,
}

#[derive(Serialize)]
struct ObjectsLine<'a> {
    image: &'a str,
    objects: Vec<ObjectLine>,
}

#[derive(Serialize)]
struct ObjectLine {
    #[serde(flatten)]
    look: Look,
    box_xyxy: BoxXyxy,
}

/// Everything of one image except its pixels.
struct Made {
    name: String,
    scene: Scene,
    questions: Vec<AskedQuestion>,
    captions: Vec<Caption>,
    phrases: usize,
    regions: RegionFeatures,
    /// Lines of the questions, captions, phrases and objects.
    lines: [String; 4],
}

/// A file of lines.
struct Lines {
    path: PathBuf,
    file: BufWriter<File>,
}

impl Lines {
    fn create(path: PathBuf) -> Result<Lines> {
        let file = BufWriter::new(File::create(&path).map_err(Error::io(&path, "create"))?);
        Ok(Lines { path, file })
    }

    fn write(&mut self, lines: &str) -> Result<()> {
        Ok(self.file.write_all(lines.as_bytes()).map_err(Error::io(&self.path, "write"))?)
    }

    fn finish(mut self) -> Result<()> {
        Ok(self.file.flush().map_err(Error::io(&self.path, "write"))?)
    }
}

impl Settings {
    fn check(&self, out: &Path) -> Result<()> {
        let invalid = |field: &str, expected: String, found: u64| Error::invalid(out, field, expected, found);
        if !SIDES.contains(&self.side) {
            let expected = format!("{} to {} pixels", SIDES.start, SIDES.end - 1);
            return Err(invalid("side", expected, self.side.into()).into());
        }
        for (field, found) in [("images", self.images), ("test", self.test)] {
            if found == 0 {
                return Err(invalid(field, "at least 1".into(), 0).into());
            }
        }
        for (field, found) in [("questions", self.questions), ("phrases", self.phrases)] {
            if !(1..=MOST_TEXTS).contains(&found) {
                return Err(invalid(field, format!("1 to {MOST_TEXTS}"), found as u64).into());
            }
        }
        Ok(())
    }

    /// Makes image `number` and writes its pixels into `images`.
    ///
    /// Each part has a generator of its own, so an image's pixels do not depend on the number of
    /// its questions.
    fn make(&self, number: u64, captions: &CaptionWriter, images: &Path) -> Result<Made> {
        let name = format!("{number:05}.png");
        let file = images.join(&name);
        let draws = |part: &str| rng(self.seed, part, number);
        let scene = Scene::of_image(self.seed, number);
        let too_large = || Error::invalid(&file, "(size)", "memory for the image", format!("side {}", self.side));
        let image = picture(&scene, &mut draws("scene pixels"), self.side).ok_or_else(too_large)?;
        let mut png = Vec::new();
        let encoder = PngEncoder::new_with_quality(&mut png, CompressionType::Fast, FilterType::Up);
        image.write_with_encoder(encoder).map_err(|e| Error::io(&file, "write")(std::io::Error::other(e)))?;
        std::fs::write(&file, png).map_err(Error::io(&file, "write"))?;
        let regions = regions(&scene, &image, &mut draws("scene regions"));
        let questions = questions(&scene, self.questions, &mut draws("scene questions"));
        let captions = captions.captions(&scene, &mut draws("scene captions"));
        let phrases = phrases(&scene, self.phrases, &mut draws("scene phrases"));

        let image = name.as_str();
        let boxes: Vec<BoxXyxy> = scene.objects.iter().map(|object| object.pixel_box(self.side)).collect();
        let question_lines = questions.iter().map(|q| QuestionLine {
            image,
            question: &q.text,
            answer: q.answer.to_string(),
            answer_type: q.answer.answer_type(),
        });
        let caption_line = CaptionLine { image, captions: captions.iter().map(|c| c.text.as_str()).collect() };
        let phrase_lines = phrases.iter().map(|p| PhraseLine { image, phrase: &p.text, box_xyxy: boxes[p.object] });
        let objects = scene.objects.iter().zip(&boxes).map(|(o, b)| ObjectLine { look: o.look, box_xyxy: *b });
        let objects_line = ObjectsLine { image, objects: objects.collect() };
        let lines = [
            json_lines(question_lines),
            json_lines(std::iter::once(caption_line)),
            json_lines(phrase_lines),
            json_lines(std::iter::once(objects_line)),
        ];
        let [a, b, c, d] = lines.map(|lines| lines.map_err(|e| Error::json(&file, &e)));
        let (lines, phrases) = ([a?, b?, c?, d?], phrases.len());
        Ok(Made { name, scene, questions, captions, phrases, regions, lines })
    }
}

fn json_lines(samples: impl Iterator<Item = impl Serialize>) -> serde_json::Result<String> {
    samples.map(|sample| serde_json::to_string(&sample).map(|line| line + "\n")).collect()
}

/// Share of the captions that are true of another image, over all such pairs.
fn true_of_others(images: &[(Scene, Vec<Caption>)]) -> f64 {
    let count = |(number, (scene, _)): (usize, &(Scene, Vec<Caption>))| {
        let others = images.iter().enumerate().filter(|(other, _)| *other != number);
        let captions = others.flat_map(|(_, (_, captions))| captions);
        captions.fold((0usize, 0usize), |(hold, all), c| (hold + usize::from(c.statement.holds(scene)), all + 1))
    };
    let add = |a: (usize, usize), b: (usize, usize)| (a.0 + b.0, a.1 + b.1);
    let (hold, all) = images.par_iter().enumerate().map(count).reduce(|| (0, 0), add);
    hold as f64 / all.max(1) as f64
}

/// Writes the data set into the new folder `out`, complete or not at all.
///
/// It calls `done` after every image, from any thread of rayon's current pool. The folder holds:
///
/// - `images/` (PNG, RGB);
/// - `{train,test}.vqa.jsonl` (image, question, answer, answer_type);
/// - `{train,test}.itm.jsonl` (image, captions);
/// - `{train,test}.vgd.jsonl` (image, phrase, box_xyxy);
/// - `objects.jsonl` (image, objects: shape, color, size, filling, box_xyxy);
/// - `features/{train,test}` (see [`regions`]).
///
/// The bytes depend on the settings alone. At no time more than 256 images' texts and regions are
/// in memory, besides counts of questions.
///
/// # Errors
///
/// [`Error::Bundle`](crate::error::Error::Bundle) for settings out of their range, and if a file
/// cannot be written.
pub fn write(settings: &Settings, out: &Path, done: impl Fn() + Sync) -> Result<Written> {
    settings.check(out)?;
    let folder = NewFolder::create(out)?;
    let at = |name: &str| folder.path().join(name);
    let images = at("images");
    for new in [&images, &at("features"), &at("features/train"), &at("features/test")] {
        std::fs::create_dir(new).map_err(Error::io(new, "create"))?;
    }
    let caption_writer = CaptionWriter::new(settings.seed);
    let mut objects = Lines::create(at("objects.jsonl"))?;
    let (mut written, mut alone, mut sampled) = (Written::default(), LanguagePrior::default(), Vec::new());
    let (train, all) = (u64::from(settings.images), u64::from(settings.images) + u64::from(settings.test));
    for (part, numbers) in [("train", 0..train), ("test", train..all)] {
        let mut lines = Vec::new();
        for task in ["vqa", "itm", "vgd"] {
            lines.push(Lines::create(at(&format!("{part}.{task}.jsonl")))?);
        }
        let mut features = FeatureWriter::new(&at("features").join(part), FEATURES, form_sha256());
        for first in numbers.clone().step_by(CHUNK) {
            let chunk: Vec<u64> = (first..numbers.end.min(first + CHUNK as u64)).collect();
            let make = |&number: &u64| {
                let made = settings.make(number, &caption_writer, &images);
                done();
                made
            };
            let chunk: Vec<Made> = chunk.par_iter().map(make).collect::<Result<_>>()?;
            let mut shard = Vec::with_capacity(chunk.len());
            for made in chunk {
                for (file, text) in lines.iter_mut().chain([&mut objects]).zip(&made.lines) {
                    file.write(text)?;
                }
                written.questions += made.questions.len();
                written.captions += made.captions.len();
                written.phrases += made.phrases;
                for question in &made.questions {
                    if part == "train" { alone.learn(question) } else { alone.test(question) }
                }
                if part == "test" && sampled.len() < SAMPLED {
                    sampled.push((made.scene, made.captions));
                }
                shard.push((made.name, made.regions));
            }
            features.write_shard(shard)?;
        }
        features.finish()?;
        for file in lines {
            file.finish()?;
        }
    }
    objects.finish()?;
    folder.finish()?;
    Ok(Written { language_prior: alone.accuracy(), true_of_others: true_of_others(&sampled), ..written })
}
