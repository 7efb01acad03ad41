//! Outlines of the shapes.

use std::f32::consts::{PI, TAU};

use tiny_skia::{Path, PathBuilder, Transform};

use crate::scenes::attributes::Shape;

/// Width of the rim, as a part of the diameter.
///
/// It is painted half inside and half outside of the path.
const RIM: f32 = 0.07;
/// Radius of the ring's hole, as a part of the ring's.
const HOLE: f32 = 0.55;
/// Radius at which outlines are built, far from where rounding matters.
const RADIUS: f32 = 500.0;

/// A placed shape: a path to fill, and a rim with round corners along it.
#[derive(Debug, Clone, PartialEq)]
pub struct Outline {
    path: Path,
    rim: f32,
    bounds: [f32; 4],
}

impl Outline {
    /// The outline of `shape` around `center`, `diameter` long.
    ///
    /// Its box, with the rim, has its middle at `center` and its longer side `diameter`. `turn` in
    /// −1…1 turns it as far as possible without looking like something else. `None` if there is no
    /// such outline: its numbers are not finite or too small.
    pub fn new(shape: Shape, center: (f32, f32), diameter: f32, turn: f32) -> Option<Outline> {
        let degrees = match shape {
            Shape::Circle | Shape::Ring => 0.0,
            Shape::Square | Shape::Cross | Shape::Hexagon => 12.0,
            Shape::Triangle | Shape::Star | Shape::Heart => 16.0,
        };
        let path = upright(shape)?.transform(Transform::from_rotate(turn * degrees))?;
        let tight = path.compute_tight_bounds()?;
        let rim = RIM * diameter;
        let scale = (diameter - rim) / tight.width().max(tight.height());
        let middle = ((tight.left() + tight.right()) / 2.0, (tight.top() + tight.bottom()) / 2.0);
        let place =
            Transform::from_row(scale, 0.0, 0.0, scale, center.0 - scale * middle.0, center.1 - scale * middle.1);
        // Round corners reach exactly half a rim beyond the path on all four sides.
        let (w, h) = ((scale * tight.width() + rim) / 2.0, (scale * tight.height() + rim) / 2.0);
        let bounds = [center.0 - w, center.1 - h, center.0 + w, center.1 + h];
        Some(Outline { path: path.transform(place)?, rim, bounds })
    }

    /// The box of the outline, with the rim.
    pub fn bounds(&self) -> [f32; 4] {
        self.bounds
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Width of the rim.
    pub(crate) fn rim(&self) -> f32 {
        self.rim
    }
}

fn upright(shape: Shape) -> Option<Path> {
    let mut path = PathBuilder::new();
    match shape {
        Shape::Circle => path.push_circle(0.0, 0.0, RADIUS),
        Shape::Ring => {
            path.push_circle(0.0, 0.0, RADIUS);
            path.push_circle(0.0, 0.0, HOLE * RADIUS);
        }
        Shape::Square => polygon(&mut path, &[(-1.0, -1.0), (1.0, -1.0), (1.0, 1.0), (-1.0, 1.0)]),
        Shape::Triangle => polygon(&mut path, &corners(3, |_| 1.0)),
        Shape::Hexagon => polygon(&mut path, &corners(6, |_| 1.0)),
        Shape::Star => polygon(&mut path, &corners(10, |k| if k % 2 == 0 { 1.0 } else { 0.46 })),
        Shape::Cross => {
            let a = 0.36;
            let arm = [(-a, -1.0), (a, -1.0), (a, -a), (1.0, -a), (1.0, a), (a, a)];
            let other = arm.map(|(x, y)| (-x, -y));
            polygon(&mut path, &[arm, other].concat());
        }
        Shape::Heart => heart(&mut path),
    }
    path.finish()
}

/// Corners on a circle, the first at the top, at given parts of the radius.
fn corners(count: usize, radius: impl Fn(usize) -> f32) -> Vec<(f32, f32)> {
    let corner = |k: usize| {
        let angle = TAU * k as f32 / count as f32 - PI / 2.0;
        (radius(k) * angle.cos(), radius(k) * angle.sin())
    };
    (0..count).map(corner).collect()
}

fn polygon(path: &mut PathBuilder, corners: &[(f32, f32)]) {
    for (k, (x, y)) in corners.iter().map(|(x, y)| (RADIUS * x, RADIUS * y)).enumerate() {
        if k == 0 { path.move_to(x, y) } else { path.line_to(x, y) }
    }
    path.close();
}

fn heart(path: &mut PathBuilder) {
    let right = [(0.22, -1.05), (1.0, -1.0), (1.0, -0.32), (1.0, 0.22), (0.34, 0.55), (0.0, 1.0)];
    let left = [(-0.34, 0.55), (-1.0, 0.22), (-1.0, -0.32), (-1.0, -1.0), (-0.22, -1.05), (0.0, -0.42)];
    path.move_to(0.0, -0.42 * RADIUS);
    for curve in [right, left].as_flattened().as_chunks::<3>().0 {
        let [(x1, y1), (x2, y2), (x, y)] = curve.map(|(x, y)| (RADIUS * x, RADIUS * y));
        path.cubic_to(x1, y1, x2, y2, x, y);
    }
    path.close();
}
