//! Pictures of scenes.
//!
//! They have a light background, soft shadows, antialiased shapes and a little grain over all.

use image::RgbImage;
use rand::{Rng as _, RngExt as _};
use rand_chacha::ChaCha8Rng;
use tiny_skia::{
    Color as Rgba, FillRule, GradientStop, LineJoin, LinearGradient, Paint, Pixmap, Point, Shader, SpreadMode, Stroke,
    Transform,
};

use crate::scenes::attributes::{Color, Filling};
use crate::scenes::scene::{Object, SIDE, Scene};

/// Red, green and blue in 0…1.
type Rgb = [f32; 3];

const WHITE: Rgb = [1.0; 3];
const BLACK: Rgb = [0.0; 3];
/// A stripe and the gap beside it, as a part of the object's longer side.
const STRIPES: f32 = 0.23;
/// Offsets of a shadow's layers, each of [`SHADOW`] opacity.
const SHADOWS: [f32; 2] = [5.0, 11.0];
const SHADOW: f32 = 0.09;
/// Knots of the background's clouds, across and down.
const KNOTS: usize = 5;
/// Depth of the clouds and of the grain, in levels of 255.
const CLOUDS: f32 = 5.0;
const GRAIN: i16 = 1;

/// Renders a scene in `side` × `side` pixels.
///
/// Background and grain are drawn from `rng`. `None` if `side` is 0 or too large for memory.
pub fn picture(scene: &Scene, rng: &mut ChaCha8Rng, side: u32) -> Option<RgbImage> {
    let mut pixmap = Pixmap::new(side, side)?;
    background(&mut pixmap, rng);
    for object in &scene.objects {
        shadow(&mut pixmap, object);
        paint(&mut pixmap, object);
    }
    let mut grain = vec![0u8; side as usize * side as usize];
    rng.fill_bytes(&mut grain);
    let rgb = pixmap.data().as_chunks::<4>().0.iter().zip(&grain).flat_map(|(&[r, g, b, _], &grain)| {
        let shift = i16::from(grain) % (2 * GRAIN + 1) - GRAIN;
        [r, g, b].map(|v| (i16::from(v) + shift).clamp(0, 255) as u8)
    });
    RgbImage::from_raw(side, side, rgb.collect())
}

/// Renders an object alone, in its place, on nothing.
///
/// The result is red, green, blue and opacity of `side` × `side` pixels.
pub fn object_alone(object: &Object, side: u32) -> Option<Vec<[u8; 4]>> {
    let mut pixmap = Pixmap::new(side, side)?;
    paint(&mut pixmap, object);
    Some(pixmap.data().as_chunks::<4>().0.to_vec())
}

fn mix(a: Rgb, b: Rgb, part: f32) -> Rgb {
    std::array::from_fn(|k| a[k] + (b[k] - a[k]) * part)
}

fn opaque([r, g, b]: Rgb) -> Rgba {
    Rgba::from_rgba(r.clamp(0.0, 1.0), g.clamp(0.0, 1.0), b.clamp(0.0, 1.0), 1.0).unwrap_or(Rgba::BLACK)
}

fn pure(color: Color) -> Rgb {
    let bytes: [u8; 3] = match color {
        Color::Red => [222, 45, 52],
        Color::Orange => [246, 133, 23],
        Color::Yellow => [247, 208, 36],
        Color::Green => [52, 158, 72],
        Color::Cyan => [52, 194, 205],
        Color::Blue => [40, 88, 206],
        Color::Purple => [128, 62, 182],
        Color::Pink => [245, 130, 190],
    };
    bytes.map(|v| f32::from(v) / 255.0)
}

/// A light colour of any hue.
fn pastel(rng: &mut ChaCha8Rng) -> Rgb {
    let (hue, depth, value) =
        (rng.random_range(0.0..6.0f32), rng.random_range(0.02..0.11f32), rng.random_range(0.90..0.98f32));
    [5.0, 3.0, 1.0].map(|shift| {
        let k = (shift + hue) % 6.0;
        value * (1.0 - depth * k.min(4.0 - k).clamp(0.0, 1.0))
    })
}

fn background(pixmap: &mut Pixmap, rng: &mut ChaCha8Rng) {
    let (from, to) = (pastel(rng), pastel(rng));
    let (dy, dx) = rng.random_range(0.0..std::f32::consts::TAU).sin_cos();
    let clouds: [[f32; KNOTS]; KNOTS] =
        std::array::from_fn(|_| std::array::from_fn(|_| rng.random_range(-CLOUDS..CLOUDS) / 255.0));
    let side = pixmap.width();
    // Of a pixel's column or row: place in 0…1, knot before it, smooth part of the way to the next
    // knot.
    let knots: Vec<(f32, usize, f32)> = (0..side)
        .map(|k| {
            let place = (k as f32 + 0.5) / side as f32;
            let at = place * (KNOTS - 1) as f32;
            let part = at.fract();
            (place, (at as usize).min(KNOTS - 2), part * part * (3.0 - 2.0 * part))
        })
        .collect();
    let (rows, _) = pixmap.data_mut().as_chunks_mut::<4>();
    for (row, &(y, below, v)) in rows.chunks_exact_mut(side as usize).zip(&knots) {
        for (pixel, &(x, left, u)) in row.iter_mut().zip(&knots) {
            let across = |row: [f32; KNOTS]| row[left] + (row[left + 1] - row[left]) * u;
            let (top, bottom) = (across(clouds[below]), across(clouds[below + 1]));
            let cloud = top + (bottom - top) * v;
            let way = 0.5 + (x - 0.5) * dx + (y - 0.5) * dy;
            let [r, g, b] = mix(from, to, way.clamp(0.0, 1.0)).map(|c| ((c + cloud).clamp(0.0, 1.0) * 255.0) as u8);
            *pixel = [r, g, b, 255];
        }
    }
}

/// Fills the outline with `inside` and draws its rim with `rim`; `offset` moves both.
fn draw(pixmap: &mut Pixmap, object: &Object, offset: f32, inside: Shader<'_>, rim: Rgba) {
    let scale = pixmap.width() as f32 / SIDE;
    let place = Transform::from_scale(scale, scale).pre_translate(offset * 0.6, offset);
    let (path, paint) = (object.outline.path(), |shader| Paint { shader, ..Paint::default() });
    pixmap.fill_path(path, &paint(inside), FillRule::EvenOdd, place, None);
    let stroke = Stroke { width: object.outline.rim(), line_join: LineJoin::Round, ..Stroke::default() };
    pixmap.stroke_path(path, &paint(Shader::SolidColor(rim)), &stroke, place, None);
}

fn shadow(pixmap: &mut Pixmap, object: &Object) {
    let Some(shade) = Rgba::from_rgba(0.1, 0.1, 0.2, SHADOW) else { return };
    for offset in SHADOWS {
        draw(pixmap, object, offset, Shader::SolidColor(shade), shade);
    }
}

fn paint(pixmap: &mut Pixmap, object: &Object) {
    let color = mix(pure(object.look.color), if object.tone > 0.0 { WHITE } else { BLACK }, 0.06 * object.tone.abs());
    let [x1, y1, x2, y2] = object.outline.bounds();
    let stop = |place, color| GradientStop::new(place, opaque(color));
    let gradient = |from: (f32, f32), to: (f32, f32), stops, mode| {
        LinearGradient::new(Point::from(from), Point::from(to), stops, mode, Transform::identity())
    };
    let inside = match object.look.filling {
        Filling::Solid => {
            let stops = vec![stop(0.0, mix(color, WHITE, 0.16)), stop(1.0, mix(color, BLACK, 0.06))];
            gradient((x1, y1), (x2, y2), stops, SpreadMode::Pad)
        }
        Filling::Striped => {
            let pale = mix(color, WHITE, 0.78);
            let period = STRIPES * (x2 - x1).max(y2 - y1);
            // The change from stripe to gap takes a pixel: else stairs would show.
            let soft = (SIDE / (pixmap.width() as f32 * period)).min(0.25);
            let stops = vec![
                stop(0.0, color),
                stop(0.5 - soft, color),
                stop(0.5, pale),
                stop(1.0 - soft, pale),
                stop(1.0, color),
            ];
            let step = period * std::f32::consts::FRAC_1_SQRT_2;
            gradient((x1, y1), (x1 + step, y1 + step), stops, SpreadMode::Repeat)
        }
    };
    let inside = inside.unwrap_or(Shader::SolidColor(opaque(color)));
    draw(pixmap, object, 0.0, inside, opaque(mix(color, BLACK, 0.22)));
}
