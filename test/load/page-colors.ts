/** The colors of the report, by what they mean. Each has been looked at on both grounds. */
export const COLORS = `
:root {
  color-scheme: light dark;
  --page: #f6f6f3;
  --card: #fdfdfc;
  --ink: #14140f;
  --soft: #55544f;
  --faint: #8a8880;
  --grid: #e4e3dc;
  --edge: rgba(11, 11, 11, 0.1);
  --s1: #2a78d6;
  --s2: #eb6834;
  --s3: #1a9f70;
  --s4: #c98500;
  --s5: #d55181;
  --s6: #4a3aa7;
  --good: #0a7d0a;
  --good-wash: #e8f5e6;
  --bad: #c22f2f;
  --bad-wash: #fdecea;
  --fault: #d03b3b;
  --planned: #6a55c8;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #0f0f0e;
    --card: #1a1a19;
    --ink: #f6f6f3;
    --soft: #c3c2b7;
    --faint: #8f8d84;
    --grid: #2d2d2a;
    --edge: rgba(255, 255, 255, 0.11);
    --s1: #4b95ea;
    --s2: #e2703f;
    --s3: #23b07e;
    --s4: #d09a2a;
    --s5: #e0719a;
    --s6: #9a8df0;
    --good: #43c743;
    --good-wash: #14260f;
    --bad: #ff7a70;
    --bad-wash: #331513;
    --fault: #f0625c;
    --planned: #a597f5;
  }
}
`;
