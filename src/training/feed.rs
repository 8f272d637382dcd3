//! Where batches come from. On a card the recordings lie from the beginning, and a batch is cut out of
//! them there by a list of places; elsewhere, and of recordings that no card's buffer holds, the samples
//! of each are copied there.

use super::batcher;
use crate::data::pair::{DryWetPair, Reach, Span};
use crate::data::windows::Windows;
use crate::kernels::{Row, gather, has_room_for, uploaded};
use burn::prelude::*;
use std::collections::HashMap;
use std::sync::Arc;

/// What lies on cards.
#[derive(Debug, Default)]
pub struct Feed(Vec<Shelf>);

/// The recordings on a card.
#[derive(Debug)]
struct Shelf {
    device: Device,
    sound: Tensor<1>,
    /// Where each pair's dry side begins, with the silence before it, and its wet side.
    places: HashMap<*const DryWetPair, [usize; 2]>,
}

impl Feed {
    /// The recordings of `windows` brought to those of the devices (without autodiff) that are cards.
    pub fn of<'a>(windows: &Windows, devices: impl IntoIterator<Item = &'a Device>) -> Self {
        let mut feed = Self::default();
        for device in devices {
            if feed.shelf(device).is_none() {
                feed.0.extend(Shelf::filled(windows, device));
            }
        }
        feed
    }

    fn shelf(&self, device: &Device) -> Option<&Shelf> {
        let device = device.clone().inner();
        self.0.iter().find(|shelf| shelf.device == device)
    }

    /// Dry `[batch, dry + controls, input]`, the knobs standing still beside the sound, on `device`, and
    /// wet `[batch, wet, window]` on `wet_device`, of the windows of these indices; both with autodiff.
    pub fn batch(
        &self,
        (windows, indices): (&Windows, &[usize]),
        device: &Device,
        wet_device: &Device,
    ) -> (Tensor<3>, Tensor<3>) {
        match (self.shelf(device), self.shelf(wet_device)) {
            (Some(dry), Some(wet)) => (
                tracked(dry.heard(windows, indices), device),
                tracked(wet.made(windows, indices), wet_device),
            ),
            _ => batcher::tensors(windows.gather(indices), device, wet_device),
        }
    }
}

fn tracked(tensor: Tensor<3>, device: &Device) -> Tensor<3> {
    match device.is_autodiff() {
        true => Tensor::from_inner(tensor),
        false => tensor,
    }
}

impl Shelf {
    /// `None` where `device` is no card, or has no room.
    fn filled(windows: &Windows, device: &Device) -> Option<Self> {
        let Reach {
            context, lookahead, ..
        } = windows.reach();
        let mut places = HashMap::new();
        let mut pairs: Vec<&Arc<DryWetPair>> = Vec::new();
        let mut len = 0;
        for pair in windows.spans().iter().flat_map(Span::sides) {
            places.entry(Arc::as_ptr(pair)).or_insert_with(|| {
                let dry = len;
                let wet = dry + context + pair.dry().len() + lookahead;
                len = wet + pair.wet().len();
                pairs.push(pair);
                [dry, wet]
            });
        }
        if !has_room_for(device, len) {
            return None;
        }
        let mut sound = Vec::with_capacity(len);
        for pair in pairs {
            // Beyond a recording's ends there is silence.
            sound.resize(sound.len() + context, 0.0);
            sound.extend_from_slice(pair.dry());
            sound.resize(sound.len() + lookahead, 0.0);
            sound.extend_from_slice(pair.wet());
        }
        Some(Self {
            device: device.clone(),
            sound: uploaded(TensorData::new(sound, [len]), device),
            places,
        })
    }

    /// What the network hears: sound, then knobs.
    fn heard(&self, windows: &Windows, indices: &[usize]) -> Tensor<3> {
        let mut rows = Vec::new();
        for (span, start) in windows.places(indices) {
            let dry = span.heard().map(|pair| self.places[&Arc::as_ptr(pair)][0]);
            rows.extend(dry.map(|first| Row::From(first + start)));
            rows.extend(
                span.pair()
                    .controls()
                    .iter()
                    .map(|&knob| Row::Constant(knob)),
            );
        }
        self.cut(&rows, indices.len(), windows.input_len())
    }

    fn made(&self, windows: &Windows, indices: &[usize]) -> Tensor<3> {
        let mut rows = Vec::new();
        for (span, start) in windows.places(indices) {
            let wet = span.sides().map(|pair| self.places[&Arc::as_ptr(pair)][1]);
            rows.extend(wet.map(|first| Row::From(first + start)));
        }
        self.cut(&rows, indices.len(), windows.window_len())
    }

    fn cut(&self, rows: &[Row], batch: usize, len: usize) -> Tensor<3> {
        let shape = [batch, rows.len() / batch.max(1), len];
        gather(self.sound.clone(), rows, shape)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::SampleRate;
    use crate::device::{DeviceChoice, select};

    /// Two recordings with a knob each, the first cut into two spans.
    fn windows() -> Windows {
        let pair = |from: usize, knob: f32| {
            let dry: Vec<f32> = (from..from + 50).map(|n| n as f32).collect();
            let wet = dry.iter().map(|x| -x).collect();
            let rate = SampleRate::new(8000).unwrap();
            let pair = DryWetPair::aligned("p", rate, dry, wet, 0).with_controls(vec![knob]);
            Arc::new(pair)
        };
        let (one, two) = (pair(1, 0.25), pair(1000, 0.75));
        let spans = vec![
            Span::new(one.clone(), 0..20),
            Span::new(one, 20..50),
            Span::new(two, 0..50),
        ];
        let reach = Reach {
            context: 3,
            lookahead: 2,
            ..Reach::default()
        };
        Windows::cut(spans, 5, 4, reach)
    }

    #[test]
    fn what_is_cut_on_a_card_is_what_would_be_copied() {
        let Ok(card) = select(DeviceChoice::Wgpu(0)) else {
            eprintln!("skipped: no Vulkan driver here (Debian: mesa-vulkan-drivers)");
            return;
        };
        let windows = windows();
        let feed = Feed::of(&windows, [&card.device, &Device::flex()]);
        assert_eq!(feed.0.len(), 1);
        let indices: Vec<usize> = (0..windows.len()).rev().collect();
        let chosen = (&windows, &indices[..]);
        let [on_card, on_host] = [card.device, Device::flex()].map(|device| {
            let device = device.autodiff();
            let (dry, wet) = feed.batch(chosen, &device, &device);
            [dry, wet].map(|side| (side.dims(), side.into_data().try_into_vec::<f32>().unwrap()))
        });
        assert_eq!(on_card, on_host);
    }
}
