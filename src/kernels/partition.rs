//! How the work on a batch is cut into tasks, and how what they give is put together: by batch
//! items and stretches of time, in a way that depends on the shape only, and with partial sums
//! added in that order, so that results are the same bit for bit whatever the number of threads
//! or their order. Knows no operator.

use super::memory::padded;

/// How time is cut for `batch` items of `len` samples: a length that depends on nothing else, so
/// that partial sums are always the same, with enough parts for many cores and each part long
/// enough to be worth a task.
fn stretch(batch: usize, len: usize) -> usize {
    const PARTS: usize = 64;
    const SHORTEST: usize = 1920;
    let parts = PARTS
        .div_ceil(batch.max(1))
        .min(len.div_ceil(SHORTEST))
        .max(1);
    // A multiple of the register tiles' 48 samples.
    len.div_ceil(parts).next_multiple_of(48).max(48)
}

/// The tasks of that cut: (item, first sample, samples).
pub(crate) fn tasks(batch: usize, len: usize) -> Vec<(usize, usize, usize)> {
    let stretch = stretch(batch, len);
    (0..batch)
        .flat_map(|item| {
            (0..len)
                .step_by(stretch)
                .map(move |from| (item, from, stretch.min(len - from)))
        })
        .collect()
}

/// A block of every row of one batch item around a stretch of time: the rows themselves where the
/// stretch lies within them, else a copy with zeros outside. Gives the samples and their stride.
pub(crate) fn window<'a>(
    rows: &'a [f32],
    count: usize,
    len: usize,
    from: isize,
    span: usize,
    copy: &'a mut [f32],
) -> (&'a [f32], usize) {
    if from >= 0 && from as usize + span <= len {
        return (&rows[from as usize..], len);
    }
    let stride = padded(span);
    for (row, to) in copy.chunks_exact_mut(stride).take(count).enumerate() {
        copy_window(&rows[row * len..][..len], from, &mut to[..span]);
    }
    (copy, stride)
}

/// `to[t] = row[from + t]`, zero where that is outside `row`.
pub(crate) fn copy_window(row: &[f32], from: isize, to: &mut [f32]) {
    let before = ((-from).max(0) as usize).min(to.len());
    let first = (from.max(0) as usize).min(row.len());
    let inside = (row.len() - first).min(to.len() - before);
    to[..before].fill(0.0);
    to[before..before + inside].copy_from_slice(&row[first..first + inside]);
    to[before + inside..].fill(0.0);
}

/// The sum of the parts in their order, in double precision.
pub(crate) fn add_parts(parts: &[Vec<f32>], total: &mut [f32]) {
    for (at, total) in total.iter_mut().enumerate() {
        *total = parts.iter().map(|part| f64::from(part[at])).sum::<f64>() as f32;
    }
}

/// Lays the parts' overlapping outputs over each other, in their order: part p of `tasks` covers
/// the samples from its first one less `crop` on; y is `start` where nothing arrives.
pub(crate) fn overlap_add(
    tasks: &[(usize, usize, usize)],
    parts: &[Vec<f32>],
    start: f32,
    crop: isize,
    y: &mut [f32],
    out_len: usize,
) {
    y.fill(start);
    for (&(item, from, _), part) in tasks.iter().zip(parts) {
        let y = &mut y[item * out_len..][..out_len];
        let first = from as isize - crop;
        let skip = ((-first).max(0) as usize).min(part.len());
        let at = (first.max(0) as usize).min(out_len);
        for (y, part) in y[at..].iter_mut().zip(&part[skip..]) {
            *y += part;
        }
    }
}
