//! The objects of an image, and where they are.
//!
//! Lengths are in thousandths of the image's side, so that a scene is the same at any size of the
//! image.

use mmnas_bundle::boxes::BoxXyxy;
use rand::RngExt as _;
use rand::seq::{IndexedRandom as _, SliceRandom as _};
use rand_chacha::ChaCha8Rng;

use crate::scenes::attributes::{Color, Filling, Kind, Look, Shape, Size};
use crate::scenes::render::outline::Outline;
use crate::seed::rng;

/// Length of an image's side in the units of a scene.
pub const SIDE: f32 = 1000.0;
/// The largest number of objects in a scene.
pub const MAX_OBJECTS: usize = 6;
/// Least distance between the centres of any two objects, across and down.
///
/// Of two objects one is always clearly to the left of the other, and one clearly above.
pub const MARGIN: f32 = 50.0;
/// Largest part of the smaller one's box that lies in another object's box.
pub const MAX_OVERLAP: f32 = 0.08;

/// Distance of an object from the image's edge.
const BORDER: f32 = 16.0;
/// Number of places that are tried for an object before it is left out.
const PLACES: usize = 80;

/// An object of a scene.
#[derive(Debug, Clone, PartialEq)]
pub struct Object {
    /// Its attributes.
    pub look: Look,
    /// Its outline, in its place.
    pub outline: Outline,
    /// A number in −1…1 that lightens or darkens its colour a little.
    pub tone: f32,
}

impl Object {
    /// The middle of its box, x and y.
    pub fn center(&self) -> (f32, f32) {
        let [x1, y1, x2, y2] = self.outline.bounds();
        ((x1 + x2) / 2.0, (y1 + y2) / 2.0)
    }

    /// The tight box of its pixels in an image of `side` × `side`.
    ///
    /// It goes from the first to the last column and row.
    pub fn pixel_box(&self, side: u32) -> BoxXyxy {
        let [x1, y1, x2, y2] = self.outline.bounds().map(|v| v * side as f32 / SIDE);
        [x1.floor(), y1.floor(), x2.ceil() - 1.0, y2.ceil() - 1.0]
    }
}

/// One to [`MAX_OBJECTS`] objects, in the order in which they are painted.
#[derive(Debug, Clone, PartialEq)]
pub struct Scene {
    /// The objects.
    pub objects: Vec<Object>,
}

impl Scene {
    /// Draws the scene of image `number`.
    pub fn of_image(seed: u64, number: u64) -> Scene {
        Scene::random(&mut rng(seed, "scene", number))
    }

    pub(crate) fn random(rng: &mut ChaCha8Rng) -> Scene {
        let count = 1 + weighted(rng, &[1, 2, 3, 3, 3, 4]);
        // Few colours or shapes in half of the scenes, so that there are things to count and to
        // distinguish.
        let (shapes, colors) = (some_of(rng, Shape::ALL), some_of(rng, Color::ALL));
        let mut looks: Vec<Look> = (0..count)
            .map(|_| Look {
                shape: *shapes.choose(rng).unwrap_or(&Shape::Circle),
                color: *colors.choose(rng).unwrap_or(&Color::Red),
                size: Size::any(rng),
                filling: if rng.random_bool(0.4) { Filling::Striped } else { Filling::Solid },
            })
            .collect();
        // Large ones find no place once the small ones lie scattered.
        looks.sort_by_key(|look| std::cmp::Reverse(look.size));
        let mut scene = Scene { objects: Vec::with_capacity(count) };
        for look in looks {
            scene.place(look, rng);
        }
        scene
    }

    /// Adds an object if there is room.
    ///
    /// Otherwise the scene has an object less.
    fn place(&mut self, look: Look, rng: &mut ChaCha8Rng) {
        let base = match look.size {
            Size::Small => 135.0,
            Size::Medium => 210.0,
            Size::Large => 305.0,
        };
        let diameter = base * rng.random_range(0.94..1.06f32);
        let (turn, tone) = (rng.random_range(-1.0..1.0f32), rng.random_range(-1.0..1.0f32));
        let reach = BORDER + diameter / 2.0..SIDE - BORDER - diameter / 2.0;
        for _ in 0..PLACES {
            let center = (rng.random_range(reach.clone()), rng.random_range(reach.clone()));
            let Some(outline) = Outline::new(look.shape, center, diameter, turn) else { return };
            let object = Object { look, outline, tone };
            if self.objects.iter().all(|other| clear_of(&object, other)) {
                return self.objects.push(object);
            }
        }
    }

    /// Indices of the objects of `kind`.
    pub fn of_kind(&self, kind: &Kind) -> Vec<usize> {
        (0..self.objects.len()).filter(|&k| kind.matches(&self.objects[k].look)).collect()
    }

    /// The object of `kind`, if there is exactly one.
    pub fn the(&self, kind: &Kind) -> Option<usize> {
        match self.of_kind(kind)[..] {
            [only] => Some(only),
            _ => None,
        }
    }
}

/// Whether two objects are apart in place and hardly overlap.
fn clear_of(a: &Object, b: &Object) -> bool {
    let ((ax, ay), (bx, by)) = (a.center(), b.center());
    (ax - bx).abs() >= MARGIN && (ay - by).abs() >= MARGIN && overlap(a, b) <= MAX_OVERLAP
}

/// The part of the smaller box that lies in the other one.
pub fn overlap(a: &Object, b: &Object) -> f32 {
    let (a, b) = (a.outline.bounds(), b.outline.bounds());
    let area = |[x1, y1, x2, y2]: [f32; 4]| (x2 - x1).max(0.0) * (y2 - y1).max(0.0);
    let both = area([a[0].max(b[0]), a[1].max(b[1]), a[2].min(b[2]), a[3].min(b[3])]);
    both / area(a).min(area(b))
}

/// An index into `weights`, drawn by them.
pub(crate) fn weighted(rng: &mut ChaCha8Rng, weights: &[u32]) -> usize {
    let mut left = rng.random_range(0..weights.iter().sum::<u32>().max(1));
    for (k, &weight) in weights.iter().enumerate() {
        if left < weight {
            return k;
        }
        left -= weight;
    }
    0
}

/// All values, or two or three of them.
fn some_of<T: Copy>(rng: &mut ChaCha8Rng, all: &[T]) -> Vec<T> {
    let count = [all.len(), 2, 3][weighted(rng, &[2, 1, 1])];
    let mut values = all.to_vec();
    values.shuffle(rng);
    values.truncate(count);
    values
}
