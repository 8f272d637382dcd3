//! Which network, and how large: one file per network, one line per network in the list below.
//! `effigy::models`, in the package above, builds them.

mod conv;
mod dense;
mod fir;
pub(super) mod former;
mod modulated;
mod parts;
mod recurrent;
mod s4_tf;
mod s4d;
mod settings;
mod tail;
mod tcn;
mod wavenet;
mod wiener_hammerstein;

pub use crate::network::Function as Activation;
pub use conv::{ConvConfig, MultiscaleConfig};
pub use dense::DenseConfig;
pub use fir::FirConfig;
pub use modulated::{ModulatedConfig, SECOND_HARMONICS};
pub use parts::Conditioning;
pub use recurrent::{FrontConfig, RecurrentConfig};
pub use s4_tf::S4TfConfig;
pub use s4d::S4dConfig;
pub use settings::NetworkConfig;
pub use tail::{TailConfig, TailedConfig};
pub use tcn::TcnConfig;
pub use wavenet::{WaveNetArray, WaveNetConfig, WaveNetPreset};
pub use wiener_hammerstein::WienerHammersteinConfig;

use serde::de::Error as _;
use serde::ser::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::ops::{Deref, DerefMut};

/// Hands the list of networks to the macro `$then`: per network the variant of [`ModelConfig`],
/// its settings, and the `kind` that configs give it.
#[doc(hidden)]
#[macro_export]
macro_rules! for_each_network {
    ($then:ident) => {
        $then! {
            /// Window → hidden → hidden → window, no activation.
            Linear(DenseConfig) = "linear",
            /// The same with ReLU between the layers.
            Nonlinear(DenseConfig) = "nonlinear",
            /// Convolution → ReLU → scale and shift per channel → ReLU → transposed convolution,
            /// own filters on each side.
            Conv(ConvConfig) = "conv",
            /// The seed's own: both sides share one set of filters.
            ConvTied(ConvConfig) = "conv-tied",
            /// Convolution → ReLU → transposed convolution.
            ConvNoMiddle(ConvConfig) = "conv-no-middle",
            /// A fully connected layer over the channels in the middle.
            ConvDenseMiddle(ConvConfig) = "conv-dense-middle",
            /// Several filter sizes side by side, outputs summed.
            ConvMultiscale(MultiscaleConfig) = "conv-multiscale",
            WaveNet(WaveNetConfig) = "wavenet",
            Lstm(RecurrentConfig) = "lstm",
            Gru(RecurrentConfig) = "gru",
            Tcn(TcnConfig) = "tcn",
            S4d(S4dConfig) = "s4d",
            S4Tf(S4TfConfig) = "s4-tf",
            WienerHammerstein(WienerHammersteinConfig) = "wiener-hammerstein",
            Fir(FirConfig) = "fir",
            Modulated(ModulatedConfig) = "modulated",
        }
    };
}

macro_rules! model_config {
    ($($(#[$doc:meta])* $network:ident($settings:ident) = $kind:literal,)*) => {
        /// The `[model]` table, told apart by `kind`. Answers every [`NetworkConfig`] question by
        /// its network's settings.
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
        #[serde(tag = "kind", remote = "Self")]
        #[allow(missing_docs, reason = "what a network is stands at its settings")]
        pub enum ModelConfig {
            $($(#[$doc])* #[serde(rename = $kind)] $network($settings),)*
            /// One of the others with a tail behind it: `[model.tail]`.
            #[serde(skip)]
            Tailed(Box<TailedConfig<ModelConfig>>),
        }

        impl ModelConfig {
            /// Every kind of network, with the defaults of its settings.
            pub fn every() -> Vec<Self> {
                vec![$(Self::$network($settings::default()),)*]
            }

            /// The `kind` this was read from.
            pub fn kind(&self) -> &'static str {
                match self {
                    $(Self::$network(_) => $kind,)*
                    Self::Tailed(tailed) => tailed.network.kind(),
                }
            }
        }

        impl Deref for ModelConfig {
            type Target = dyn NetworkConfig;

            fn deref(&self) -> &Self::Target {
                match self {
                    $(Self::$network(settings) => settings,)*
                    Self::Tailed(tailed) => tailed.as_ref(),
                }
            }
        }

        impl DerefMut for ModelConfig {
            fn deref_mut(&mut self) -> &mut Self::Target {
                match self {
                    $(Self::$network(settings) => settings,)*
                    Self::Tailed(tailed) => tailed.as_mut(),
                }
            }
        }
    };
}

for_each_network!(model_config);

impl ModelConfig {
    /// The kinds of `such` networks as a sentence lists them, `conjunction` before the last.
    pub(super) fn kinds(such: impl Fn(&Self) -> bool, conjunction: &str) -> String {
        let every = Self::every();
        let kinds: Vec<&str> = every.iter().filter(|n| such(n)).map(Self::kind).collect();
        match kinds.split_last() {
            Some((last, before)) if !before.is_empty() => {
                format!("{} {conjunction} {last}", before.join(", "))
            }
            _ => kinds.concat(),
        }
    }
}

impl Serialize for ModelConfig {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Tailed(tailed) => {
                let wrong = |error: toml::ser::Error| S::Error::custom(error.to_string());
                let mut table = toml::Table::try_from(&tailed.network).map_err(wrong)?;
                let tail = toml::Value::try_from(&tailed.tail).map_err(wrong)?;
                table.insert(TAIL.into(), tail);
                table.serialize(serializer)
            }
            network => Self::serialize(network, serializer),
        }
    }
}

impl<'de> Deserialize<'de> for ModelConfig {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut table = toml::Table::deserialize(deserializer)?;
        former::renew(&mut table);
        let wrong = |error: toml::de::Error| D::Error::custom(error.message());
        let tail = table.remove(TAIL);
        let network = Self::deserialize(table).map_err(wrong)?;
        match tail {
            None => Ok(network),
            Some(tail) => {
                let tail = TailConfig::deserialize(tail)
                    .map_err(|error| D::Error::custom(format!("{TAIL}: {}", error.message())))?;
                Ok(Self::Tailed(Box::new(TailedConfig { network, tail })))
            }
        }
    }
}

/// The table beside any network's own keys.
const TAIL: &str = "tail";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_with_memory_say_how_they_fill_it() {
        for mut network in ModelConfig::every() {
            let (kind, has_memory) = (network.kind(), network.has_memory());
            assert_eq!(network.warm_up().is_some(), has_memory, "{kind}");
            assert!(has_memory || network.truncate().is_none(), "{kind}");
        }
        let kinds = ModelConfig::kinds(|network| network.has_memory(), "and");
        assert_eq!(
            kinds,
            "lstm, gru, s4d, s4-tf, wiener-hammerstein and modulated"
        );
    }

    #[test]
    fn a_conv_lstm_is_an_lstm_with_a_front() {
        let read = |text: &str| toml::from_str::<ModelConfig>(text).unwrap();
        let former = "kind = \"conv-lstm\"\nchannels = 3\nwarm_up = 5\nactivation = \"relu\"";
        let today = "kind = \"lstm\"\nwarm_up = 5\nfront = {channels = 3, activation = \"relu\"}";
        assert_eq!(read(former), read(today));
        assert_eq!(
            read("kind = \"conv-lstm\"\nfront.channels = 4\nchannels = 3"),
            read("kind = \"lstm\"\nfront.channels = 4")
        );
        let saved = toml::to_string(&read(former)).unwrap();
        assert_eq!(read(&saved), read(today));
        let plain = toml::to_string(&read("kind = \"lstm\"")).unwrap();
        assert!(!plain.contains("front"), "{plain}");
    }
}
