// Straight lines through points: whether something rises or falls over a run. Pure.

export interface Point {
  readonly x: number;
  readonly y: number;
}

/** By how much the line of least squares rises from the first point to the last, as a share of the mean. 0 for fewer than two. */
export function riseOf(points: readonly Point[]): number {
  const [first, last] = [points[0], points.at(-1)];
  if (first === undefined || last === undefined || first.x === last.x) return 0;
  const mean = (of: (point: Point) => number): number =>
    points.reduce((sum, point) => sum + of(point), 0) / points.length;
  const [meanX, meanY] = [mean(({ x }) => x), mean(({ y }) => y)];
  const spread = points.reduce((sum, { x }) => sum + (x - meanX) ** 2, 0);
  const slope = points.reduce((sum, { x, y }) => sum + (x - meanX) * (y - meanY), 0) / spread;
  return meanY === 0 ? 0 : (slope * (last.x - first.x)) / meanY;
}

/** Points of `width` in x become one, the mean of both coordinates. */
export function gathered(points: readonly Point[], width: number): Point[] {
  const groups = Map.groupBy(points, ({ x }) => Math.floor(x / width));
  return [...groups.values()].map((group) => ({
    x: group.reduce((sum, { x }) => sum + x, 0) / group.length,
    y: group.reduce((sum, { y }) => sum + y, 0) / group.length,
  }));
}
