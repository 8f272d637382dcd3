//! Numbers, shapes and a bound for the tests of the three products.

pub fn number(seed: usize) -> f32 {
    ((seed * 7919) % 1009) as f32 / 504.0 - 1.0
}

pub const SHAPES: [[usize; 3]; 6] = [
    [1, 1, 1],
    [2, 3, 16],
    [3, 1, 9],
    [4, 2, 32],
    [5, 17, 40],
    [7, 1, 33],
];

pub fn close(what: &str, got: f32, exact: f64, terms: usize) {
    let bound = f64::from(f32::EPSILON) * ((terms + 4) * (terms + 4)) as f64;
    assert!(
        (f64::from(got) - exact).abs() < bound,
        "{what}: {got} for {exact}"
    );
}

pub fn each([a, b, c]: [usize; 3]) -> impl Iterator<Item = (usize, usize, usize)> {
    (0..a * b * c).map(move |at| (at / (b * c), at / c % b, at % c))
}
