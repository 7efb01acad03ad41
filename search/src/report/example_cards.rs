//! Examples as cards: the image, the input, the expected and the predicted output.

use std::fmt::Write;

use crate::report::text::{cut, escape};
use crate::report::thumbnail::{LARGE, SMALL, Thumbnail, Thumbnails};
use crate::task::example::{Example, RankedCandidate, select};

/// Largest number of characters of a text; a longer one is cut.
const MOST_CHARACTERS: usize = 300;
/// Largest number of places of a ranking that are shown.
const MOST_CANDIDATES: usize = 5;

/// Draws the box as a rectangle inside the image.
///
/// It is drawn twice so that it is seen on any image.
fn draw_box(corners: &[f32; 4], size: (u32, u32), class: &str, words: &str) -> String {
    if !corners.iter().all(|v| v.is_finite()) {
        return String::new();
    }
    let (w, h) = (size.0 as f32, size.1 as f32);
    let [x1, y1, x2, y2] = *corners;
    let (x1, x2) = (x1.min(x2).clamp(0.0, w), x1.max(x2).clamp(0.0, w));
    let (y1, y2) = (y1.min(y2).clamp(0.0, h), y1.max(y2).clamp(0.0, h));
    let place = format!("x=\"{x1}\" y=\"{y1}\" width=\"{}\" height=\"{}\"", x2 - x1, y2 - y1);
    format!("<rect class=\"halo\" {place}/><rect class=\"{class}\" {place}><title>{words}</title></rect>")
}

/// The image with its boxes; `crop` fills a square with its middle.
fn picture(thumbnail: &Thumbnail, name: &str, boxes: &str, crop: bool) -> String {
    let (w, h) = thumbnail.size;
    let class = if w.max(h) <= 128 { "photo tiny" } else { "photo" };
    let fit = if crop { " preserveAspectRatio=\"xMidYMid slice\"" } else { "" };
    let name = escape(name);
    format!(
        "<svg class=\"{class}\" viewBox=\"0 0 {w} {h}\"{fit} role=\"img\" aria-label=\"{name}\"><image width=\"{w}\" height=\"{h}\" href=\"{}\"><title>{name}</title></image>{boxes}</svg>",
        thumbnail.uri
    )
}

fn placeholder(name: &str, why: &str) -> String {
    format!("<div class=\"placeholder\"><b>{}</b><span>{}</span></div>", escape(&cut(name, 80)), escape(why))
}

fn percent(share: f64) -> String {
    if (0.0..=1.0).contains(&share) { format!("{:.1} %", 100.0 * share) } else { format!("{share:.3}") }
}

fn candidates(list: &[RankedCandidate], thumbnails: &mut Thumbnails) -> String {
    if list.is_empty() {
        return String::new();
    }
    let images = list.iter().any(|candidate| !candidate.image.is_empty());
    let mut html = format!("<ol class=\"{}\">", if images { "ranking" } else { "ranking texts" });
    for candidate in list.iter().take(MOST_CANDIDATES) {
        let image = if candidate.image.is_empty() {
            String::new()
        } else {
            let drawn = thumbnails.get(&candidate.image, SMALL).map(|copy| picture(&copy, &candidate.image, "", true));
            drawn.unwrap_or_else(|why| placeholder(&candidate.image, why))
        };
        let (class, mark) = if candidate.right { ("wanted", "✓ ") } else { ("", "") };
        let text = escape(&cut(&candidate.text, MOST_CHARACTERS));
        let text = if text.is_empty() { text } else { format!("<span>{mark}{text}</span>") };
        let mark = if text.is_empty() { mark } else { "" };
        let score = percent(candidate.score);
        let _ = write!(html, "<li class=\"{class}\">{image}{text}<i>{mark}{score}</i></li>");
    }
    html + "</ol>"
}

fn card(example: &Example, thumbnails: &mut Thumbnails) -> String {
    let (class, verdict) = if example.right { ("right", "✓ right") } else { ("wrong", "✗ wrong") };
    let image = match thumbnails.get(&example.image, LARGE) {
        Ok(copy) => {
            let draw = |corners: &Option<[f32; 4]>, class, words| {
                corners.as_ref().map_or_else(String::new, |c| draw_box(c, copy.size, class, words))
            };
            let boxes = draw(&example.found_box, "found-box", "found")
                + &draw(&example.expected_box, "expected-box", "expected");
            picture(&copy, &example.image, &boxes, false)
        }
        Err(why) => placeholder(&example.image, why),
    };
    let score = example.score.map_or_else(String::new, |score| format!("<span>{}</span>", percent(score)));
    let mut html = format!(
        "<article class=\"example {class}\">{image}<div class=\"says\"><p class=\"verdict\"><b>{verdict}</b>{score}</p><p class=\"asked\">{}</p>",
        escape(&cut(&example.text, MOST_CHARACTERS))
    );
    html += "<dl>";
    for (name, text) in [("expected", &example.expected), ("found", &example.found)] {
        if !text.is_empty() {
            let _ = write!(html, "<dt>{name}</dt><dd>{}</dd>", escape(&cut(text, MOST_CHARACTERS)));
        }
    }
    html += "</dl>";
    html + &candidates(&example.candidates, thumbnails) + "</div></article>"
}

/// Cards of `count` of the examples, the wrong ones first; nothing without examples.
pub(crate) fn cards(examples: &[Example], count: usize, thumbnails: &mut Thumbnails) -> String {
    let picked = select(examples, count);
    let mut html = String::new();
    if picked.iter().flatten().any(|e| e.expected_box.is_some() || e.found_box.is_some()) {
        html += "<p class=\"soft boxes\"><span class=\"swatch dashed\"></span> expected <span class=\"swatch solid\"></span> found</p>";
    }
    for (part, name) in picked.iter().zip(["wrong", "right"]) {
        if part.is_empty() {
            continue;
        }
        let all = examples.iter().filter(|example| example.right == (name == "right")).count();
        let _ = write!(html, "<h3>{} of {all} {name}</h3><div class=\"examples\">", part.len());
        for example in part {
            html += &card(example, thumbnails);
        }
        html += "</div>";
    }
    html
}
