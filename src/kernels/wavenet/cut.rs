//! How a batch is cut into tasks: by items and, where these are few and long, by stretches of
//! output.

use super::geometry::Geometry;
use super::shape::WaveNet;

/// Samples `from..from + count` of one item's output.
pub struct Task {
    pub item: usize,
    pub from: usize,
    pub count: usize,
}

/// How a batch is cut into tasks: by items and, where these are few and long, by stretches of
/// output, each of which computes its own context.
pub struct Cut {
    pub len: usize,
    pub out_len: usize,
    pub tasks: Vec<Task>,
    /// Of the longest task.
    pub geometry: Geometry,
    /// Of the last task of an item, where that is shorter.
    last: Option<Geometry>,
}

impl Cut {
    pub fn new(net: &WaveNet, batch: usize, x_len: usize) -> Cut {
        const TASKS: usize = 16;
        let len = x_len / (batch * net.in_channels).max(1);
        assert_eq!(x_len, batch * net.in_channels * len);
        let out_len = net.output_len(len);
        // A stretch as long as its context doubles the work: allow a quarter more.
        let parts = TASKS
            .div_ceil(batch.max(1))
            .min(out_len / (4 * net.receptive_field()))
            .max(1);
        let stretch = out_len.div_ceil(parts).max(1);
        let tasks = (0..batch)
            .flat_map(|item| {
                (0..out_len).step_by(stretch).map(move |from| Task {
                    item,
                    from,
                    count: stretch.min(out_len - from),
                })
            })
            .collect();
        let last = out_len % stretch;
        Cut {
            len,
            out_len,
            tasks,
            geometry: Geometry::new(net, stretch),
            last: (last > 0).then(|| Geometry::new(net, last)),
        }
    }

    pub fn geometry_of(&self, task: &Task) -> &Geometry {
        match &self.last {
            Some(last) if task.count == last.out_len => last,
            _ => &self.geometry,
        }
    }
}
