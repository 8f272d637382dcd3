//! What all players have in common: sound goes in block by block, and in all as much comes out,
//! in time with it.

use crate::engine::OfflinePlayer;
use crate::models::predict::Predictor;
use crate::regress::baseline;

/// Plays several channels, each through its own copy of a model, or all that a stereo model hears through
/// one.
pub trait Player {
    /// Channels that are made.
    fn outputs(&self) -> usize;

    /// Hears a block of every channel and appends to each of those made what can be answered so far,
    /// which may be nothing.
    fn push(&mut self, dry: &[Vec<f32>], wet: &mut [Vec<f32>]);

    /// Appends the rest: silence follows the sound.
    fn finish(self: Box<Self>, wet: &mut [Vec<f32>]);
}

/// On all cores.
impl Player for OfflinePlayer {
    fn outputs(&self) -> usize {
        Self::outputs(self)
    }

    fn push(&mut self, dry: &[Vec<f32>], wet: &mut [Vec<f32>]) {
        Self::push(self, dry, wet);
    }

    fn finish(self: Box<Self>, wet: &mut [Vec<f32>]) {
        Self::finish(*self, wet);
    }
}

/// On one of burn's devices.
impl Player for Vec<Predictor<'_>> {
    fn outputs(&self) -> usize {
        self.len()
    }

    fn push(&mut self, dry: &[Vec<f32>], wet: &mut [Vec<f32>]) {
        for ((channel, dry), wet) in self.iter_mut().zip(dry).zip(wet) {
            channel.push(dry, wet);
        }
    }

    fn finish(self: Box<Self>, wet: &mut [Vec<f32>]) {
        for (channel, wet) in self.into_iter().zip(wet) {
            channel.finish(wet);
        }
    }
}

/// The same of a stereo network.
impl Player for Predictor<'_> {
    fn outputs(&self) -> usize {
        self.audio_channels().wet
    }

    fn push(&mut self, dry: &[Vec<f32>], wet: &mut [Vec<f32>]) {
        self.push_channels(dry, wet);
    }

    fn finish(self: Box<Self>, wet: &mut [Vec<f32>]) {
        self.finish_channels(wet);
    }
}

/// A classical model.
impl Player for Vec<baseline::Player> {
    fn outputs(&self) -> usize {
        self.len()
    }

    fn push(&mut self, dry: &[Vec<f32>], wet: &mut [Vec<f32>]) {
        for ((channel, dry), wet) in self.iter_mut().zip(dry).zip(wet) {
            channel.push(dry, wet);
        }
    }

    fn finish(self: Box<Self>, wet: &mut [Vec<f32>]) {
        for (mut channel, wet) in self.into_iter().zip(wet) {
            channel.finish(wet);
        }
    }
}

/// The same across both sides of a stereo effect.
impl Player for baseline::StereoPlayer {
    fn outputs(&self) -> usize {
        2
    }

    fn push(&mut self, dry: &[Vec<f32>], wet: &mut [Vec<f32>]) {
        Self::push(self, dry, wet);
    }

    fn finish(mut self: Box<Self>, wet: &mut [Vec<f32>]) {
        Self::finish(&mut self, wet);
    }
}
