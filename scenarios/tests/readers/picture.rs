//! The screenshots of the gallery show what its pages show.

use crate::page::{browser, gallery, look, open};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD as BASE64;
use serde_json::json;

/// How wide a screenshot is, and how high at most: what is below is on the page.
const SIZE: (u32, u32) = (1000, 1500);

/// Compares two pictures in a page, and says by how much their colours differ in the mean, of 255.
/// Both are made small before: computers have other fonts, but not another layout.
const COMPARE: &str = "
window.differ = undefined;
Promise.all([ONE, OTHER].map(async text => {
  const picture = new Image();
  picture.src = 'data:image/png;base64,' + text;
  await picture.decode();
  const canvas = document.createElement('canvas');
  [canvas.width, canvas.height] = [100, 150];
  const drawing = canvas.getContext('2d');
  drawing.drawImage(picture, 0, 0, 100, 150);
  return [picture.width + '×' + picture.height, drawing.getImageData(0, 0, 100, 150).data];
})).then(([[size, one], [other_size, other]]) => {
  const sum = one.reduce((sum, it, place) => sum + Math.abs(it - other[place]), 0);
  window.differ = size === other_size ? sum / one.length : 255;
});
0";

/// How much they may differ. A page without its diagram differs by 10 and more.
const ALIKE: f64 = 3.0;

#[test]
fn each_screenshot_of_the_gallery_shows_the_page_beside_it() {
    let Some(mut browser) = browser("screenshots") else {
        return;
    };
    let blank = browser.open("about:blank");
    for file in gallery() {
        let page = open(&mut browser, &file);
        look(&mut browser, &page, SIZE.0, "light");
        let clip = json!({"x": 0, "y": 0, "width": SIZE.0, "height": SIZE.1, "scale": 1});
        let how = json!({"format": "png", "clip": clip, "captureBeyondViewport": true});
        let taken = browser.command("Page.captureScreenshot", how, Some(&page));
        let taken = taken["data"].as_str().expect("a picture");
        let picture = file.with_extension("png");
        if std::env::var_os("SQUALL_PRINT").is_some() {
            let bytes = BASE64.decode(taken).expect("a picture");
            std::fs::write(&picture, bytes).expect("it can be written");
        }
        let committed = std::fs::read(&picture).expect("the screenshot is there");
        let committed = BASE64.encode(committed);
        let compare = COMPARE.replace("ONE", &json!(taken).to_string());
        let compare = compare.replace("OTHER", &json!(committed).to_string());
        browser.evaluate(&blank, &compare);
        browser.wait_for(&blank, "window.differ !== undefined", &json!(true));
        let differ = browser.evaluate(&blank, "window.differ");
        let differ = differ.as_f64().expect("a number");
        assert!(
            differ < ALIKE,
            "{}: {differ:.1} of 255; `SQUALL_PRINT=1 cargo test -p squall-cli --test readers screenshot` takes it anew",
            picture.display()
        );
    }
}
