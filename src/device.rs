//! Which processor the tensors live on: from what the user typed to a burn device.
//!
//! Knows nothing of what is computed there.

use burn::backend::DispatchDevice;
use burn::tensor::{Device, DeviceType};
use serde::Serialize;
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::str::FromStr;

/// What was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeviceChoice {
    /// One of [`candidates`]: the fastest where it can be measured, else a hardware GPU when there is
    /// one.
    Auto,
    /// burn's maintained CPU backend.
    Flex,
    /// burn's older CPU backend.
    NdArray,
    /// The n-th GPU through Vulkan, Metal or DirectX.
    Wgpu(usize),
    /// The n-th NVIDIA GPU through CUDA.
    Cuda(usize),
}

/// What was asked for where a batch may be shared: at least one device, the first of which leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceChoices(Vec<DeviceChoice>);

impl DeviceChoices {
    /// The one that leads.
    pub fn first(&self) -> DeviceChoice {
        self.0[0]
    }

    /// All, in their order.
    pub fn all(&self) -> &[DeviceChoice] {
        &self.0
    }
}

/// Names separated by commas.
impl FromStr for DeviceChoices {
    type Err = DeviceError;

    fn from_str(text: &str) -> Result<Self, DeviceError> {
        let choices: Result<Vec<DeviceChoice>, DeviceError> =
            text.split(',').map(|one| one.trim().parse()).collect();
        let choices = choices?;
        if choices.len() > 1 && choices.contains(&DeviceChoice::Auto) {
            return Err(DeviceError::AutoAmongOthers(text.to_string()));
        }
        Ok(Self(choices))
    }
}

/// Why a device cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum DeviceError {
    /// Not a device name.
    #[error("device '{0}' is unknown; allowed: auto, flex, ndarray, wgpu[:n], cuda[:n]")]
    Unknown(String),
    /// `auto` chooses one device.
    #[error("device '{0}': auto chooses one device by itself and stands alone")]
    AutoAmongOthers(String),
    /// The machine has no such device.
    #[error(
        "device {wanted} is not on this machine ({found} of that kind found); \
         `effigy devices` lists what is, `--device flex` always works"
    )]
    Missing {
        /// As typed.
        wanted: String,
        /// How many of the kind there are.
        found: usize,
    },
    /// Left out of this build.
    #[error("this build has no CUDA; build with `cargo build --release --features cuda`")]
    NoCuda,
    /// It went away, or had no room, in the midst of work.
    #[error("{work} on {id}: the card failed ({reason}); `--device` names another")]
    Failed {
        /// What it was at.
        work: String,
        /// Its name.
        id: String,
        /// What the driver said.
        reason: String,
    },
}

impl FromStr for DeviceChoice {
    type Err = DeviceError;

    fn from_str(text: &str) -> Result<Self, DeviceError> {
        let unknown = || DeviceError::Unknown(text.to_string());
        let (kind, index) = match text.split_once(':') {
            Some((kind, index)) => (kind, Some(index.parse().map_err(|_| unknown())?)),
            None => (text, None),
        };
        match (kind, index) {
            ("auto", None) => Ok(Self::Auto),
            ("flex", None) => Ok(Self::Flex),
            ("ndarray", None) => Ok(Self::NdArray),
            ("wgpu", index) => Ok(Self::Wgpu(index.unwrap_or(0))),
            ("cuda", index) => Ok(Self::Cuda(index.unwrap_or(0))),
            _ => Err(unknown()),
        }
    }
}

/// A device that tensors can be created on, and how to ask for it again.
#[derive(Clone, Debug)]
pub struct Selected {
    /// Without autodiff.
    pub device: Device,
    /// `flex`, `wgpu:0`, …
    pub id: String,
    /// The part as it names itself.
    pub name: String,
}

/// One line of `effigy devices`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Listed {
    /// What to give to `--device`.
    pub id: String,
    /// The part as it names itself.
    pub name: String,
    /// A processor posing as a GPU; `auto` passes it over.
    pub software: bool,
    /// Whether `auto` considers it.
    pub auto: bool,
}

/// Finds the device, opening no others.
///
/// # Errors
/// [`DeviceError::Missing`] when the machine lacks it, [`DeviceError::NoCuda`] when the build does.
pub fn select(choice: DeviceChoice) -> Result<Selected, DeviceError> {
    match choice {
        DeviceChoice::Auto => Ok(hardware_gpus().into_iter().next().unwrap_or_else(flex)),
        DeviceChoice::Flex => Ok(flex()),
        DeviceChoice::NdArray => Ok(ndarray()),
        DeviceChoice::Wgpu(index) => nth("wgpu", index, &gpus()),
        DeviceChoice::Cuda(index) => nth("cuda", index, &cuda()?),
    }
}

/// What `auto` considers: the processor, and every GPU that is not one posing as such.
pub fn candidates() -> Vec<Selected> {
    let mut all = vec![flex()];
    all.extend(hardware_gpus());
    all
}

/// Everything this build can reach on this machine.
pub fn list() -> Vec<Listed> {
    let considered: Vec<String> = candidates().into_iter().map(|one| one.id).collect();
    let line = |id: String, name: String, software| Listed {
        auto: considered.contains(&id),
        id,
        name,
        software,
    };
    let mut lines: Vec<Listed> = [flex(), ndarray()]
        .into_iter()
        .map(|s| line(s.id, s.name, false))
        .collect();
    for (kind, devices) in [("cuda", cuda().unwrap_or_default()), ("wgpu", gpus())] {
        for (index, device) in devices.iter().enumerate() {
            let software = !is_hardware(device);
            lines.push(line(format!("{kind}:{index}"), name_of(device), software));
        }
    }
    lines
}

fn hardware_gpus() -> Vec<Selected> {
    let of = |(kind, devices): (&str, Vec<Device>)| {
        let hardware = (0..devices.len()).filter(|&n| is_hardware(&devices[n]));
        let selected: Vec<Selected> = hardware
            .filter_map(|n| nth(kind, n, &devices).ok())
            .collect();
        selected
    };
    [("cuda", cuda().unwrap_or_default()), ("wgpu", gpus())]
        .into_iter()
        .flat_map(of)
        .collect()
}

fn nth(kind: &str, index: usize, devices: &[Device]) -> Result<Selected, DeviceError> {
    let id = format!("{kind}:{index}");
    match devices.get(index) {
        Some(device) => Ok(Selected {
            device: device.clone(),
            name: name_of(device),
            id,
        }),
        None => Err(DeviceError::Missing {
            wanted: id,
            found: devices.len(),
        }),
    }
}

fn flex() -> Selected {
    Selected {
        device: Device::flex(),
        id: "flex".to_string(),
        name: "this processor (burn-flex)".to_string(),
    }
}

#[expect(
    deprecated,
    reason = "asked for by name; deprecated upstream, still in 0.22"
)]
fn ndarray() -> Selected {
    Selected {
        device: Device::ndarray(),
        id: "ndarray".to_string(),
        name: "this processor (burn-ndarray)".to_string(),
    }
}

fn gpus() -> Vec<Device> {
    Device::enumerate(DeviceType::Wgpu).into_vec()
}

#[cfg(feature = "cuda")]
fn cuda() -> Result<Vec<Device>, DeviceError> {
    Ok(Device::enumerate(DeviceType::Cuda).into_vec())
}

#[cfg(not(feature = "cuda"))]
fn cuda() -> Result<Vec<Device>, DeviceError> {
    Err(DeviceError::NoCuda)
}

/// Whether tensors on this device lie on a card (a processor posing as one counts as one).
pub fn is_card(device: &Device) -> bool {
    let device = device.clone().inner();
    matches!(device.as_dispatch(), DispatchDevice::Cube(_))
}

thread_local! {
    static WATCHED: Cell<bool> = const { Cell::new(false) };
}

/// Calls `work` on a device. A card can go away in the midst of it, by a reset of its driver or for
/// want of memory, and the tensor library's answer is a panic: here that is an error, which says what
/// the driver said. On the processor a panic stays one.
///
/// # Errors
/// The card failed.
pub fn watched<R>(device: &Device, work: impl FnOnce() -> R) -> Result<R, String> {
    if !is_card(device) {
        return Ok(work());
    }
    let before = WATCHED.replace(true);
    let result = catch_unwind(AssertUnwindSafe(work));
    WATCHED.set(before);
    result.map_err(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or(panic.downcast_ref::<&str>().copied());
        reason(text.unwrap_or("no reason given"))
    })
}

/// The innermost of the causes that a driver's text lists, in one line.
pub(crate) fn reason(text: &str) -> String {
    let cause = text.rsplit("Caused by:").next().unwrap_or(text);
    let cause = cause
        .split("No backtrace available")
        .next()
        .unwrap_or(cause);
    let line = cause.split_whitespace().collect::<Vec<_>>().join(" ");
    line.chars().take(200).collect()
}

/// Whether a panic of this thread will be told as an error of [`watched`] work.
pub fn is_watched() -> bool {
    WATCHED.get()
}

/// burn reports no physical card behind a software rasteriser.
fn is_hardware(device: &Device) -> bool {
    device.identity().is_some_and(|id| id.physical.is_some())
}

fn name_of(device: &Device) -> String {
    device
        .identity()
        .map_or_else(|| format!("{device:?}"), |id| id.name)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// On the processor a panic is a fault, and stays one.
    #[test]
    fn a_card_that_fails_is_an_error() {
        let flex = flex().device;
        let panics = catch_unwind(|| watched(&flex, || -> u32 { panic!("a fault") }));
        assert!(panics.is_err() && !is_watched());
        let Some(card) = gpus().into_iter().next() else {
            eprintln!("skipped: no Vulkan driver here (Debian: mesa-vulkan-drivers)");
            return;
        };
        let card = card.autodiff();
        let lost = watched(&card, || -> u32 { panic!("device {}\n  lost", 7) });
        assert_eq!(lost, Err("device 7 lost".to_string()));
        let deep =
            "failed\nCaused by:\n  several\nCaused by:\n  can't allocate 7\nNo backtrace available";
        assert_eq!(reason(deep), "can't allocate 7");
        assert_eq!(watched(&card, is_watched), Ok(true));
        assert!(!is_watched());
    }

    #[test]
    fn names_are_read_and_nonsense_is_refused() {
        assert_eq!("auto".parse::<DeviceChoice>().unwrap(), DeviceChoice::Auto);
        assert_eq!(
            "wgpu:2".parse::<DeviceChoice>().unwrap(),
            DeviceChoice::Wgpu(2)
        );
        for bad in ["", "gpu", "flex:1", "wgpu:x", "wgpu:-1"] {
            let error = bad.parse::<DeviceChoice>().unwrap_err().to_string();
            assert!(error.contains("allowed: auto, flex"), "{error}");
        }
        let several: DeviceChoices = "wgpu:1, flex".parse().unwrap();
        assert_eq!(several.all(), [DeviceChoice::Wgpu(1), DeviceChoice::Flex]);
        assert_eq!(several.first(), DeviceChoice::Wgpu(1));
        for (bad, said) in [
            ("flex,", "''"),
            ("flex,gpu", "'gpu'"),
            ("auto,flex", "alone"),
        ] {
            let error = bad.parse::<DeviceChoices>().unwrap_err().to_string();
            assert!(error.contains(said), "{error}");
        }
        let error = select(DeviceChoice::Wgpu(99)).unwrap_err().to_string();
        assert!(error.contains("wgpu:99 is not on this machine"), "{error}");
    }
}
