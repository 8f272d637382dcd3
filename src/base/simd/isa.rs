//! Which instruction set the kernels use: found once at run time, or chosen by the caller.

use std::fmt;
use std::str::FromStr;
use std::sync::OnceLock;

use super::vector::{Kernel, Simd};

/// The environment variable that overrides the choice, for tests and benchmarks.
pub const ENVIRONMENT: &str = "EFFIGY_ISA";

/// A vector instruction set the kernels are compiled for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Isa {
    /// x86-64 with AVX-512 F, BW, DQ and VL: 16 lanes, 32 registers.
    Avx512,
    /// x86-64 with AVX2 and FMA: 8 lanes, 16 registers.
    Avx2,
    /// 64-bit ARM: 4 lanes, 32 registers.
    Neon,
    /// Plain Rust on arrays of 4, for every other processor.
    Portable,
}

/// An instruction set was asked for that does not exist or that this machine lacks.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IsaError {
    /// The name is none of those known.
    #[error("instruction set '{name}' is unknown; choose one of avx512, avx2, neon, portable")]
    Unknown {
        /// What was given.
        name: String,
    },
    /// The processor does not have it.
    #[error(
        "instruction set '{isa}' is not available on this machine; available: {}",
        names(&Isa::available())
    )]
    Unavailable {
        /// What was asked for.
        isa: Isa,
    },
}

impl Isa {
    /// Every instruction set, fastest first.
    pub const ALL: [Isa; 4] = [Isa::Avx512, Isa::Avx2, Isa::Neon, Isa::Portable];

    /// The instruction set in use: the one named by `EFFIGY_ISA` where that is valid, else the
    /// fastest this machine has. Found once per process.
    ///
    /// A wrong `EFFIGY_ISA` is not reported here, in the middle of arithmetic: the command line
    /// calls [`Isa::from_environment`] before anything else and shows its error.
    pub fn detect() -> Isa {
        static DETECTED: OnceLock<Isa> = OnceLock::new();
        *DETECTED.get_or_init(|| match Isa::from_environment() {
            Ok(Some(isa)) => isa,
            Ok(None) | Err(_) => Isa::fastest(),
        })
    }

    /// What `EFFIGY_ISA` asks for; `None` when it is unset or empty.
    ///
    /// # Errors
    /// The value is not the name of an instruction set, or this machine lacks it.
    pub fn from_environment() -> Result<Option<Isa>, IsaError> {
        match std::env::var_os(ENVIRONMENT) {
            None => Ok(None),
            Some(value) if value.is_empty() => Ok(None),
            Some(value) => {
                let isa: Isa = value.to_string_lossy().parse()?;
                if isa.is_available() {
                    Ok(Some(isa))
                } else {
                    Err(IsaError::Unavailable { isa })
                }
            }
        }
    }

    /// Whether this machine can run it.
    pub fn is_available(self) -> bool {
        match self {
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512 => {
                is_x86_feature_detected!("avx512f")
                    && is_x86_feature_detected!("avx512bw")
                    && is_x86_feature_detected!("avx512dq")
                    && is_x86_feature_detected!("avx512vl")
                    && Isa::Avx2.is_available()
            }
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2 => is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma"),
            #[cfg(target_arch = "aarch64")]
            Isa::Neon => true,
            Isa::Portable => true,
            #[allow(
                unreachable_patterns,
                reason = "which sets are left depends on the processor compiled for"
            )]
            _ => false,
        }
    }

    /// Those this machine can run, fastest first; never empty.
    pub fn available() -> Vec<Isa> {
        Isa::ALL
            .into_iter()
            .filter(|isa| isa.is_available())
            .collect()
    }

    fn fastest() -> Isa {
        Isa::ALL
            .into_iter()
            .find(|isa| isa.is_available())
            .unwrap_or(Isa::Portable)
    }

    /// Its name as [`ENVIRONMENT`] spells it.
    pub fn name(self) -> &'static str {
        match self {
            Isa::Avx512 => "avx512",
            Isa::Avx2 => "avx2",
            Isa::Neon => "neon",
            Isa::Portable => "portable",
        }
    }

    /// Runs `kernel` with this instruction set; with plain Rust where the machine lacks it, so
    /// that an `Isa` value made elsewhere can never execute an illegal instruction.
    pub fn run<K: Kernel>(self, kernel: K) -> K::Output {
        const { assert!(!std::mem::needs_drop::<K>(), "a kernel borrows") };
        let kernel = InPlace(&raw const kernel);
        if !self.is_available() {
            return super::portable::run(kernel);
        }
        match self {
            #[cfg(target_arch = "x86_64")]
            // SAFETY: `is_available` above found the features `run` is compiled for.
            Isa::Avx512 => unsafe { super::avx512::run(kernel) },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: as above.
            Isa::Avx2 => unsafe { super::avx2::run(kernel) },
            #[cfg(target_arch = "aarch64")]
            // SAFETY: every 64-bit ARM processor Rust supports here has NEON.
            Isa::Neon => unsafe { super::neon::run(kernel) },
            _ => super::portable::run(kernel),
        }
    }
}

/// A kernel that is read where its caller has just written it. Handed on by value it would be copied,
/// several fields at a time, and a copy of fields that are still on their way to the cache waits until
/// everything written before them has arrived there, rows from memory included.
struct InPlace<K>(*const K);

impl<K: Kernel> Kernel for InPlace<K> {
    type Output = K::Output;

    #[inline(always)]
    fn run<S: Simd>(self, s: S) -> K::Output {
        // SAFETY: `Isa::run` has it, does not use it any more, and has nothing to drop.
        unsafe { self.0.read() }.run(s)
    }
}

impl fmt::Display for Isa {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Isa {
    type Err = IsaError;

    fn from_str(name: &str) -> Result<Isa, IsaError> {
        Isa::ALL
            .into_iter()
            .find(|isa| isa.name() == name)
            .ok_or_else(|| IsaError::Unknown {
                name: name.to_string(),
            })
    }
}

fn names(isas: &[Isa]) -> String {
    let names: Vec<&str> = isas.iter().map(|isa| isa.name()).collect();
    names.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_parse_back_and_a_wrong_one_lists_the_right_ones() {
        for isa in Isa::ALL {
            assert_eq!(isa.name().parse(), Ok(isa));
        }
        let error = "avx9".parse::<Isa>().unwrap_err();
        assert!(error.to_string().contains("avx512, avx2, neon, portable"));
    }

    #[test]
    fn the_detected_set_is_available_and_portable_always_is() {
        assert!(Isa::detect().is_available());
        assert_eq!(Isa::available().last(), Some(&Isa::Portable));
    }
}
