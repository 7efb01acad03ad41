//! The picture of a front: what networks take against accuracy, baselines and random ones beside it.

use std::fmt::Write;

use crate::recipe::limited_part::LimitedPart;
use crate::report::axis::{Axis, Unit};
use crate::report::picture::Picture;
use crate::report::text::{cut, escape};
use crate::space::front::Front;

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 420.0;
const LEFT: f64 = 62.0;
const RIGHT: f64 = 24.0;
const TOP: f64 = 44.0;
const BOTTOM: f64 = 46.0;
/// Width and height of a label's character.
const CHARACTER: (f64, f64) = (7.0, 12.0);

/// The name of a part of a call, in words.
pub(crate) fn part(of: LimitedPart) -> String {
    let name = serde_json::to_value(of).ok().and_then(|name| name.as_str().map(str::to_owned));
    name.unwrap_or_default().replace('-', " ")
}

/// A rectangle that a label may not cover, or covers: left, top, right, bottom.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Area(f64, f64, f64, f64);

impl Area {
    fn around(x: f64, y: f64, radius: f64) -> Area {
        Area(x - radius, y - radius, x + radius, y + radius)
    }

    fn meets(self, other: Area) -> bool {
        self.0 < other.2 && other.0 < self.2 && self.1 < other.3 && other.1 < self.3
    }

    fn inside(self) -> bool {
        self.0 >= LEFT && self.1 >= TOP - 8.0 && self.2 <= WIDTH - 4.0 && self.3 <= HEIGHT - BOTTOM
    }
}

/// The scales of the picture, and what is drawn so far.
struct Canvas {
    cost: Axis,
    accuracy: Axis,
    svg: String,
    taken: Vec<Area>,
}

impl Canvas {
    fn x(&self, amount: f64) -> f64 {
        LEFT + (WIDTH - LEFT - RIGHT) * (amount - self.cost.low) / (self.cost.high - self.cost.low)
    }

    fn y(&self, accuracy: f64) -> f64 {
        let share = (accuracy - self.accuracy.low) / (self.accuracy.high - self.accuracy.low);
        HEIGHT - BOTTOM - (HEIGHT - BOTTOM - TOP) * share
    }

    fn scales(&mut self) {
        let (right, bottom) = (WIDTH - RIGHT, HEIGHT - BOTTOM);
        for (k, value) in self.accuracy.marks().into_iter().enumerate() {
            let (y, class, mark) = (self.y(value), if k == 0 { "base" } else { "grid" }, self.accuracy.mark(value));
            let _ = write!(self.svg, "<path class=\"{class}\" d=\"M{LEFT} {y:.1}H{right}\"/>");
            let _ =
                write!(self.svg, "<text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{mark}</text>", LEFT - 8.0, y + 4.0);
        }
        for value in self.cost.marks() {
            let (x, mark) = (self.x(value), self.cost.mark(value));
            let _ = write!(self.svg, "<path class=\"base\" d=\"M{x:.1} {bottom}v5\"/>");
            let _ = write!(self.svg, "<text x=\"{x:.1}\" y=\"{}\" text-anchor=\"middle\">{mark}</text>", bottom + 18.0);
        }
    }

    /// Writes a label beside a mark, at the first place where it covers nothing.
    ///
    /// If there is none it is left out, or with `always` at the first place all the same.
    /// Places are right, left, above, below, and where the front never is: above left, below right.
    fn label(&mut self, (x, y): (f64, f64), text: &str, class: &str, places: &[usize], always: bool) {
        let (w, h) = (CHARACTER.0 * text.chars().count() as f64, CHARACTER.1);
        // Where the text begins, is centred or ends, and the top.
        let anchor = |place: usize| match place {
            0 => ("start", x + 10.0, y - h / 2.0),
            1 => ("end", x - 10.0, y - h / 2.0),
            2 => ("middle", x, y - 8.0 - h),
            3 => ("middle", x, y + 8.0),
            4 => ("end", x - 5.0, y - 5.0 - h),
            _ => ("start", x + 6.0, y + 5.0),
        };
        let area = |place: usize| {
            let (anchor, x, top) = anchor(place);
            let left = match anchor {
                "start" => x,
                "end" => x - w,
                _ => x - w / 2.0,
            };
            Area(left, top, left + w, top + h)
        };
        let free = |area: &Area| area.inside() && !self.taken.iter().any(|taken| taken.meets(*area));
        let found = places.iter().copied().find(|&place| free(&area(place)));
        let Some(place) = found.or_else(|| places.first().copied().filter(|_| always)) else { return };
        self.taken.push(area(place));
        let (anchor, x, top) = anchor(place);
        let y = top + h - 2.0;
        let _ = write!(
            self.svg,
            "<text class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{}</text>",
            escape(text)
        );
    }
}

/// Draws a front.
pub(crate) fn draw(front: &Front) -> Picture {
    let scored: Vec<(f64, f64)> = (front.points.iter().map(|p| (p.cost.amount(), p.accuracy)))
        .chain(front.baselines.iter().chain(&front.random).filter_map(|r| Some((r.cost.amount(), r.accuracy?))))
        .collect();
    let mut canvas = Canvas {
        cost: Axis::with_steps(scored.iter().map(|(amount, _)| *amount), Unit::Plain, 8),
        accuracy: Axis::with_steps(scored.iter().map(|(_, accuracy)| *accuracy), Unit::Percent, 6),
        svg: String::new(),
        taken: Vec::new(),
    };
    canvas.scales();
    let unit = front.quantity.unit();
    let words = |name: &str, amount: f64, accuracy: f64, architecture: &dyn std::fmt::Display| {
        escape(&format!(
            "{name}\n{}, {}\n{architecture}",
            canvas.cost.value(amount) + " " + unit,
            canvas.accuracy.value(accuracy)
        ))
    };
    let mut marks = String::new();
    for one in &front.random {
        let (amount, Some(accuracy)) = (one.cost.amount(), one.accuracy) else { continue };
        let (x, y, words) =
            (canvas.x(amount), canvas.y(accuracy), words(&one.name, amount, accuracy, &one.architecture));
        let _ = write!(
            marks,
            "<circle class=\"drawn\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3.5\"><title>{words}</title></circle>"
        );
    }
    let places: Vec<(f64, f64)> =
        front.points.iter().map(|p| (canvas.x(p.cost.amount()), canvas.y(p.accuracy))).collect();
    let path: Vec<String> = places.iter().map(|(x, y)| format!("{x:.1} {y:.1}")).collect();
    let several = front.sources.len() > 1;
    let line = if several { "line" } else { "s0 line" };
    let _ = write!(marks, "<path class=\"{line}\" stroke-width=\"2\" d=\"M{}\"/>", path.join("L"));
    for (k, (point, (x, y))) in front.points.iter().zip(&places).enumerate() {
        let name =
            point.from.as_ref().map_or_else(|| format!("point {}", k + 1), |from| format!("point {}, {from}", k + 1));
        let words = words(&name, point.cost.amount(), point.accuracy, &point.architecture);
        let class = format!("s{}", front.source(point.from.as_ref()) % 6);
        let _ = write!(
            marks,
            "<circle class=\"{class} fill edge\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"5.5\"><title>{words}</title></circle>"
        );
    }
    let mut named = Vec::new();
    for one in &front.baselines {
        let (amount, Some(accuracy)) = (one.cost.amount(), one.accuracy) else { continue };
        let (x, y, words) =
            (canvas.x(amount), canvas.y(accuracy), words(&one.name, amount, accuracy, &one.architecture));
        let class = if several { format!("s{} ", front.source(one.from.as_ref()) % 6) } else { String::new() };
        let _ = write!(
            marks,
            "<path class=\"{class}fill edge\" d=\"M{x:.1} {:.1}l6.5 6.5l-6.5 6.5l-6.5-6.5z\"><title>{words}</title></path>",
            y - 6.5
        );
        named.push(((x, y), cut(&one.name, 24)));
    }
    canvas.svg += &marks;
    canvas
        .taken
        .extend(places.iter().chain(named.iter().map(|(place, _)| place)).map(|(x, y)| Area::around(*x, *y, 6.0)));
    canvas.taken.extend(places.windows(2).flat_map(|pair| along(pair[0], pair[1])));
    for (place, name) in named {
        canvas.label(place, &name, "title clear", &[0, 5, 3, 1, 2, 4], true);
    }
    for (k, place) in places.iter().enumerate() {
        canvas.label(*place, &(k + 1).to_string(), "bold small clear", &[4, 2, 1, 5, 3, 0], false);
    }
    let svg = canvas.svg + &frame(front);
    let title = format!("accuracy against {unit} of {} networks that no other beats", front.points.len());
    Picture { width: WIDTH, height: HEIGHT, title, body: svg }
}

/// Areas along a line, which labels keep clear of.
fn along(from: (f64, f64), to: (f64, f64)) -> impl Iterator<Item = Area> {
    let steps = ((to.0 - from.0).hypot(to.1 - from.1) / 5.0).ceil() as usize;
    (1..steps).map(move |step| {
        let share = step as f64 / steps as f64;
        Area::around(from.0 + share * (to.0 - from.0), from.1 + share * (to.1 - from.1), 1.5)
    })
}

/// The names of the axes and the legend.
fn frame(front: &Front) -> String {
    let mut svg = format!("<text class=\"title\" x=\"{LEFT}\" y=\"22\">accuracy with shared weights</text>");
    let words = format!("predicted {} ({})", front.quantity.unit(), part(front.of));
    let _ = write!(
        svg,
        "<text class=\"title\" x=\"{}\" y=\"{}\" text-anchor=\"end\">{}</text>",
        WIDTH - RIGHT,
        HEIGHT - 10.0,
        escape(&words)
    );
    // From the right, so that the legend ends with the picture.
    let mut items: Vec<(String, &str)> = Vec::new();
    if front.sources.len() > 1 {
        let used = |name: &String| front.points.iter().any(|point| point.from.as_ref() == Some(name));
        let sources = front.sources.iter().enumerate().filter(|(_, source)| used(&source.name));
        items.extend(sources.map(|(k, source)| (format!("s{} fill", k % 6), source.name.as_str())));
    } else {
        items.push(("s0 fill".to_owned(), "front"));
    }
    if front.random.iter().any(|one| one.accuracy.is_some()) {
        items.push(("drawn".to_owned(), "random"));
    }
    if front.baselines.iter().any(|one| one.accuracy.is_some()) {
        items.push(("fill".to_owned(), "baseline"));
    }
    let mut x = WIDTH - RIGHT;
    for (class, name) in items.iter().rev() {
        let name = cut(name, 18);
        x -= CHARACTER.0 * name.chars().count() as f64;
        let _ = write!(svg, "<text x=\"{x:.1}\" y=\"22\">{}</text>", escape(&name));
        x -= 11.0;
        if class == "fill" {
            let _ = write!(svg, "<path class=\"fill\" d=\"M{x:.1} 12.5l5.5 5.5l-5.5 5.5l-5.5-5.5z\"/>");
        } else {
            let _ = write!(svg, "<circle class=\"{class}\" cx=\"{x:.1}\" cy=\"18\" r=\"4.5\"/>");
        }
        x -= 20.0;
        // A legend that meets the axis' name ends there.
        if x < 330.0 {
            break;
        }
    }
    svg
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::space::front::{Cost, FrontReference};
    use crate::space::front_tests::front;

    fn places(svg: &str, class: &str) -> Vec<(f64, f64)> {
        let number = |element: &str, name: &str| -> f64 {
            element.split(&format!(" {name}=\"")).nth(1).unwrap().split('"').next().unwrap().parse().unwrap()
        };
        let circles = svg.split("<circle class=\"").skip(1).filter(|circle| circle.starts_with(class));
        circles.map(|circle| (number(circle, "cx"), number(circle, "cy"))).collect()
    }

    #[test]
    fn points_stand_where_their_numbers_say() {
        let mut front = front("run", &[(0.5, 0.0), (2.0, 1.0)]);
        let named = |name: &str, milliseconds: f64, accuracy| FrontReference {
            name: name.to_owned(),
            architecture: front.points[0].architecture.clone(),
            cost: Cost::Milliseconds(milliseconds),
            accuracy,
            from: None,
        };
        let (one, two) = (named("a<b", 1.0, Some(0.25)), named("outside", 99.0, None));
        (front.random, front.baselines) = (vec![named("random 1", 1.0, Some(0.5))], vec![one, two]);
        let svg = draw(&front).body;
        // From 62 to 696 for 0 to 2 ms, from 374 to 44 for 0 to 100 %.
        assert_eq!(places(&svg, "s0 fill edge"), [(220.5, 374.0), (696.0, 44.0)]);
        assert_eq!(places(&svg, "drawn\" cx=\"379")[0], (379.0, 209.0));
        assert!(svg.contains("d=\"M220.5 374.0L696.0 44.0\""), "{svg}");
        assert!(
            svg.contains(">a&lt;b</text>") && svg.contains("point 2\n2.00 ms, 100.0 %\nenc SA FFN SA FFN"),
            "{svg}"
        );
        assert!(!svg.contains("outside"), "without a score it has no place");
        assert!(svg.contains("predicted ms (known image)"), "{svg}");
    }

    #[test]
    fn labels_keep_off_marks_and_one_another() {
        let crowd: Vec<(f64, f64)> = (0..60).map(|k| (1.0 + 0.05 * f64::from(k), 0.5 + 0.005 * f64::from(k))).collect();
        let body = draw(&front("run", &crowd)).body;
        let numbers: Vec<&str> = body.split("<text class=\"bold small").skip(1).collect();
        // Not each finds room, and those that do are apart.
        assert!((20..=60).contains(&numbers.len()), "{}", numbers.len());
        let areas = numbers.iter().map(|text| {
            let of = |name: &str| text.split(&format!(" {name}=\"")).nth(1).unwrap().split('"').next().unwrap();
            let number = text.split('>').nth(1).unwrap().split('<').next().unwrap();
            let (x, y, w) =
                (of("x").parse::<f64>().unwrap(), of("y").parse::<f64>().unwrap(), 7.0 * number.len() as f64);
            let left = x - w * if of("text-anchor") == "end" {
                1.0
            } else if of("text-anchor") == "middle" {
                0.5
            } else {
                0.0
            };
            Area(left + 0.1, y - 9.8, left + w - 0.1, y + 1.8)
        });
        let areas: Vec<Area> = areas.collect();
        for (k, area) in areas.iter().enumerate() {
            assert!(area.inside() && !areas[..k].iter().any(|other| other.meets(*area)), "{area:?}");
        }
        let single = draw(&front("run", &[(1.0, 0.5)])).body;
        assert!(single.contains(">1</text>") && !single.contains("NaN"), "{single}");
    }
}
