//! Cache lines.

/// Floats per cache line, a multiple of every instruction set's lanes. Buffers start on one, since
/// a register loaded across two lines costs as much as two.
pub(crate) const LINE: usize = 16;

/// `len` rounded up to whole cache lines, so that the next piece starts on one too.
pub(crate) fn padded(len: usize) -> usize {
    len.next_multiple_of(LINE)
}
