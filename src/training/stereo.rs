//! The filters of a linear stereo effect, solved for in closed form: from each dry channel to each side.
//!
//! Knows neither steps nor folders.

use crate::data::pair::Span;
use crate::progress::{Observer, Stopped, Task};
use crate::regress::tail::{self, Passage};

/// Filters of `taps` taps, `[wet][dry][taps]`, the newest tap first, that make the sides of the spans of
/// what they hear. Where nothing sounds they are zeros.
///
/// # Errors
/// Stopped.
pub fn filters(
    spans: &[Span],
    taps: usize,
    observer: &dyn Observer,
) -> Result<Vec<Vec<Vec<f32>>>, Stopped> {
    let audio = spans.first().map(Span::audio_channels).unwrap_or_default();
    let task = Task::begin(observer, "solving for the filters", None);
    let side = |side: usize| {
        let passages = spans.iter().filter_map(|span| passage(span, side, taps));
        let passages: Vec<Passage<'_>> = passages.collect();
        let solved = tail::fit(&passages, taps, None, 1.0, || task.go_on().is_ok());
        task.go_on()?;
        let solved = solved.unwrap_or_else(|| vec![0.0; audio.dry * taps]);
        let filters = solved.chunks_exact(taps);
        Ok(filters
            .map(|filter| filter.iter().map(|&tap| tap as f32).collect())
            .collect())
    };
    (0..audio.wet).map(side).collect()
}

/// What one side of a span is made of; `None` where it is no longer than what a filter needs first.
fn passage(span: &Span, side: usize, taps: usize) -> Option<Passage<'_>> {
    let range = span.samples();
    // Where a span begins inside a recording, what the filter heard before is not known.
    let unheard = match range.start {
        0 => 0,
        _ => taps - 1,
    };
    let mut heard = span.heard().map(|pair| &pair.dry()[range.clone()]);
    let wet = span.sides().nth(side)?.wet();
    let wet = wet.get(range.start + unheard..range.end)?;
    (!wet.is_empty()).then_some(Passage {
        input: heard.next()?,
        beside: heard.next(),
        wet,
    })
}
