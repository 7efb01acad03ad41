//! Boxes, places and regions.

use std::collections::HashMap;

use mmnas_bundle::boxes::{self, BoxXyxy};
use mmnas_search::rng;
use mmnas_search::scenes::render::picture as draw;
use mmnas_search::scenes::*;

use crate::{SEED, scenes};

#[test]
fn boxes_are_the_extent_of_the_objects_own_pixels() {
    let mut seen: HashMap<Shape, usize> = HashMap::new();
    for (number, scene) in scenes(150) {
        let side = [64, 224, 331][number as usize % 3];
        for object in &scene.objects {
            *seen.entry(object.look.shape).or_default() += 1;
            let pixels = draw::object_alone(object, side).unwrap();
            let painted = pixels.iter().enumerate().filter(|(_, [.., opacity])| *opacity > 0);
            let mut extent: BoxXyxy = [f32::INFINITY, f32::INFINITY, -1.0, -1.0];
            for (at, _) in painted {
                let (x, y) = ((at as u32 % side) as f32, (at as u32 / side) as f32);
                extent = [extent[0].min(x), extent[1].min(y), extent[2].max(x), extent[3].max(y)];
            }
            let found = object.pixel_box(side);
            let near = extent.iter().zip(found).all(|(a, b)| (a - b).abs() <= 1.0);
            assert!(near, "image {number}, side {side}, {:?}: painted {extent:?}, box {found:?}", object.look);
            assert!(found[0] >= 0.0 && found[1] >= 0.0 && found[2] < side as f32 && found[3] < side as f32);
        }
    }
    assert!(Shape::ALL.iter().all(|shape| seen[shape] >= 20), "{seen:?}");
}

#[test]
fn objects_lie_apart_and_all_counts_occur() {
    let mut counts = [0; MAX_OBJECTS + 1];
    for (_, scene) in scenes(600) {
        counts[scene.objects.len()] += 1;
        for (k, a) in scene.objects.iter().enumerate() {
            for b in &scene.objects[..k] {
                let ((ax, ay), (bx, by)) = (a.center(), b.center());
                assert!((ax - bx).abs() >= MARGIN && (ay - by).abs() >= MARGIN);
                let (a, b) = (a.pixel_box(1000), b.pixel_box(1000));
                assert!(boxes::iou(&a, &b) <= MAX_OVERLAP + 0.01, "{a:?} {b:?}");
            }
        }
    }
    assert_eq!(counts[0], 0);
    assert!(counts[1..].iter().all(|c| *c >= 20), "{counts:?}");
}

#[test]
fn a_region_of_one_color_has_that_color_as_features() {
    // The middle of a large solid square that covers the region.
    let (number, scene) = scenes(200)
        .find(|(_, s)| {
            s.objects.last().is_some_and(|o| o.look.shape == Shape::Square && o.look.filling == Filling::Solid)
        })
        .unwrap();
    let image = draw::picture(&scene, &mut rng(SEED, "scene pixels", number), 224).unwrap();
    let regions = regions(&scene, &image, &mut rng(SEED, "scene regions", number));
    let own = scene.objects.last().unwrap().pixel_box(224);
    let row = regions.boxes.iter().position(|b| *b == own).unwrap();
    let crop = &regions.features[row * FEATURES..][..192];
    let at = |x: usize, y: usize| &crop[3 * (8 * y + x)..][..3];
    let (x, y) = ((own[0] + own[2]) as u32 / 2, (own[1] + own[3]) as u32 / 2);
    let pixel = image.get_pixel(x, y).0.map(|v| f32::from(v) / 127.5 - 1.0);
    for (k, value) in pixel.iter().enumerate() {
        let middle = (at(3, 3)[k] + at(4, 3)[k] + at(3, 4)[k] + at(4, 4)[k]) / 4.0;
        assert!((middle - value).abs() < 0.04, "{middle} {value}");
    }
}
