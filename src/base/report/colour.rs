//! Colours: of what marks stand for, of numbers, of paper and ink.
//!
//! Knows nothing of shapes.

/// A colour: red, green, blue.
pub type Rgb = [u8; 3];

/// Text and axes.
pub const INK: Rgb = [40, 44, 52];
/// Paper.
pub const PAPER: Rgb = [255, 255, 255];
/// Grid lines.
pub const FAINT: Rgb = [225, 228, 233];

/// The colour of grid lines on the page, light and dark.
pub const GRID: (Rgb, Rgb) = (FAINT, [50, 55, 66]);

/// What a mark stands for; the same everywhere on a page, in light and in dark.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tint {
    /// Text, rules.
    Ink,
    /// The sound without the effect.
    Dry,
    /// The recording through the effect.
    Wet,
    /// What the network makes of the dry sound.
    Predicted,
    /// Wet minus predicted.
    Error,
    /// The effect itself, where it is known.
    Truth,
    /// A level, 0 the quietest of [`LEVELS`].
    Level(usize),
    /// One of several runs.
    Run(usize),
}

/// Levels that have a tint of their own.
pub const LEVELS: usize = 5;

/// Runs that have a tint of their own; later ones repeat them.
pub const RUNS: usize = 8;

impl Tint {
    /// Every tint.
    pub fn all() -> impl Iterator<Item = Self> {
        let named = [
            Self::Ink,
            Self::Dry,
            Self::Wet,
            Self::Predicted,
            Self::Error,
            Self::Truth,
        ];
        let levels = (0..LEVELS).map(Self::Level);
        named
            .into_iter()
            .chain(levels)
            .chain((0..RUNS).map(Self::Run))
    }

    /// Its name in style sheets.
    pub fn name(self) -> String {
        match self {
            Self::Ink => "ink".to_string(),
            Self::Dry => "dry".to_string(),
            Self::Wet => "wet".to_string(),
            Self::Predicted => "predicted".to_string(),
            Self::Error => "error".to_string(),
            Self::Truth => "truth".to_string(),
            Self::Level(n) => format!("level-{}", n.min(LEVELS - 1)),
            Self::Run(n) => format!("run-{}", n % RUNS),
        }
    }

    /// The colour on light paper and on dark. Pairs that meet in one chart (wet and predicted,
    /// neighbouring runs) differ for colour-blind readers too: they differ in lightness or lie
    /// on the blue to orange axis.
    pub fn colours(self) -> (Rgb, Rgb) {
        match self {
            Self::Ink => ([29, 33, 41], [230, 232, 238]),
            Self::Dry => ([107, 114, 128], [150, 160, 178]),
            Self::Wet => ([29, 84, 196], [130, 177, 255]),
            Self::Predicted => ([214, 84, 8], [255, 165, 92]),
            Self::Error => ([176, 24, 140], [244, 140, 224]),
            Self::Truth => ([12, 122, 104], [94, 220, 196]),
            Self::Level(n) => [
                ([168, 186, 222], [72, 92, 140]),
                ([126, 154, 212], [94, 122, 186]),
                ([82, 120, 198], [124, 158, 228]),
                ([44, 82, 172], [166, 194, 250]),
                ([14, 44, 120], [214, 228, 255]),
            ][n.min(LEVELS - 1)],
            // After M. Okabe and K. Ito, "Color Universal Design", 2008.
            Self::Run(n) => [
                ([0, 94, 162], [102, 178, 240]),
                ([200, 84, 0], [255, 158, 84]),
                ([0, 132, 98], [84, 212, 170]),
                ([172, 74, 132], [236, 160, 206]),
                ([140, 104, 0], [232, 194, 72]),
                ([84, 84, 96], [186, 186, 200]),
                ([96, 60, 180], [180, 156, 250]),
                ([160, 32, 48], [248, 130, 140]),
            ][n % RUNS],
        }
    }
}

/// Colours for numbers, dark to bright, readable by colour-blind people and in grey.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ColourMap {
    /// Black over purple and orange to pale yellow: for levels.
    Magma,
    /// Purple over green to yellow: for positions.
    Viridis,
}

// Every tenth part of the maps of the same names by N. Smith and S. van der Walt (CC0).
const MAGMA: [Rgb; 11] = [
    [0, 0, 4],
    [20, 14, 54],
    [59, 15, 112],
    [100, 26, 128],
    [140, 41, 129],
    [183, 55, 121],
    [222, 73, 104],
    [247, 112, 92],
    [254, 159, 109],
    [254, 207, 146],
    [252, 253, 191],
];
const VIRIDIS: [Rgb; 11] = [
    [68, 1, 84],
    [72, 36, 117],
    [65, 68, 135],
    [53, 95, 141],
    [42, 120, 142],
    [33, 145, 140],
    [34, 168, 132],
    [68, 191, 112],
    [122, 209, 81],
    [189, 223, 38],
    [253, 231, 37],
];

impl ColourMap {
    /// The colour of a share: 0 the darkest, 1 the brightest.
    pub fn at(self, share: f64) -> Rgb {
        let stops = match self {
            Self::Magma => &MAGMA,
            Self::Viridis => &VIRIDIS,
        };
        let place = share.clamp(0.0, 1.0) * (stops.len() - 1) as f64;
        let left = (place as usize).min(stops.len() - 2);
        let t = place - left as f64;
        std::array::from_fn(|c| {
            let (a, b) = (f64::from(stops[left][c]), f64::from(stops[left + 1][c]));
            (a + t * (b - a)).round() as u8
        })
    }
}
