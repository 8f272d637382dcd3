//! Which parts of each recording are learned from, choose the best epoch, and test. Knows lengths, not
//! sounds.

/// A stretch of a recording as a share of what sounds of it, 0 to 1.
pub(super) type Share = [f64; 2];

/// The shares of one recording.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Shares {
    pub(super) train: Vec<Share>,
    pub(super) valid: Vec<Share>,
    pub(super) test: Vec<Share>,
}

/// How much of each recording validation takes, and test again.
const HELD_BACK: f64 = 0.1;

/// A block of validation is not shorter than this: its beginning only fills a network's memory.
const SHORTEST_SECONDS: f64 = 1.5;

/// Blocks of validation in one recording.
const MOST_BLOCKS: usize = 3;

/// The shares of the recording `at` of `count`, `seconds` long. Of one recording the end is the test, and
/// validation is spread before it. Of several, each holds back one block for either, elsewhere in each:
/// together they reach from beginnings to ends, which is from loud to soft where notes die away.
pub(super) fn shares(at: usize, count: usize, seconds: f64) -> Shares {
    let (valid, test) = match count {
        0 | 1 => {
            let blocks = (HELD_BACK * seconds / SHORTEST_SECONDS) as usize;
            (
                spread(blocks.clamp(1, MOST_BLOCKS)),
                vec![[1.0 - HELD_BACK, 1.0]],
            )
        }
        _ => {
            let place = (at as f64 + 0.5) / count as f64;
            let block = |place: f64| {
                let from = (1.0 - HELD_BACK) * place;
                [from, from + HELD_BACK]
            };
            (vec![block(place)], vec![block((place + 0.5).fract())])
        }
    };
    let mut held: Vec<Share> = valid.iter().chain(&test).copied().collect();
    held.sort_by(|a, b| a[0].total_cmp(&b[0]));
    Shares {
        train: between(&held),
        valid,
        test,
    }
}

/// Validation before the test, in as many blocks; one alone stands just before it, so that what is
/// learned from stays in one piece.
fn spread(blocks: usize) -> Vec<Share> {
    let end = 1.0 - HELD_BACK;
    if blocks == 1 {
        return vec![[end - HELD_BACK, end]];
    }
    let len = HELD_BACK / blocks as f64;
    let centre = |block: usize| end * (block as f64 + 0.5) / blocks as f64;
    let at = (0..blocks).map(|block| [centre(block) - len / 2.0, centre(block) + len / 2.0]);
    at.collect()
}

/// What lies between the shares that are held back.
fn between(held: &[Share]) -> Vec<Share> {
    let starts = std::iter::once(0.0).chain(held.iter().map(|share| share[1]));
    let ends = held
        .iter()
        .map(|share| share[0])
        .chain(std::iter::once(1.0));
    let gaps = starts.zip(ends).map(|(from, to)| [from, to]);
    // Slivers hold no window.
    gaps.filter(|[from, to]| to - from > 0.02).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_is_used_once_and_validation_reaches_everywhere() {
        for count in 1..30 {
            let mut seen = [0; 10];
            for at in 0..count {
                for seconds in [3.0, 20.0, 40.0, 600.0] {
                    let shares = shares(at, count, seconds);
                    let all = [&shares.train, &shares.valid, &shares.test];
                    let mut all: Vec<Share> = all.into_iter().flatten().copied().collect();
                    all.sort_by(|a, b| a[0].total_cmp(&b[0]));
                    assert!(
                        all.windows(2).all(|w| w[0][1] <= w[1][0] + 1e-9),
                        "{shares:?}"
                    );
                    let used: f64 = all.iter().map(|[from, to]| to - from).sum();
                    assert!(used > 0.93 && all[0][0] >= 0.0, "{shares:?}");
                    let held: f64 = shares.valid.iter().map(|[from, to]| to - from).sum();
                    assert!((held - 0.1).abs() < 1e-9);
                    let middle = |share: &Share| (5.0 * (share[0] + share[1])) as usize;
                    shares
                        .valid
                        .iter()
                        .for_each(|share| seen[middle(share)] += 1);
                }
            }
            let reached = seen.iter().filter(|n| **n > 0).count();
            assert!(reached >= count.min(9), "{count}: {seen:?}");
        }
        let short = shares(0, 1, 4.0);
        assert_eq!(short.train.len(), 1);
        assert_eq!(shares(0, 1, 100.0).valid.len(), 3);
    }
}
