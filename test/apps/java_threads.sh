# SPDX-License-Identifier: Apache-2.0
# needs: java javac
# packages: default-jdk-headless
# The JVM: compiling and running threads, collections, processes and NIO files.
cat > T.java <<'END'
import java.nio.file.*; import java.util.*; import java.util.concurrent.*; import java.util.stream.*;
class T { public static void main(String[] a) throws Exception {
  var pool = Executors.newFixedThreadPool(4); var fs = new ArrayList<Future<Long>>();
  for (int i = 0; i < 20; i++) { int n = i; fs.add(pool.submit(() -> LongStream.range(0, 100000).map(x -> x * n).sum())); }
  long s = 0; for (var f : fs) s += f.get(); pool.shutdown(); System.out.println(s);
  for (int i = 0; i < 200; i++) { byte[][] b = new byte[100][]; for (int j = 0; j < 100; j++) b[j] = new byte[10000]; } System.gc(); System.out.println("collected");
  var p = new ProcessBuilder("sh", "-c", "cat; exit 3").redirectErrorStream(true).start(); p.getOutputStream().write("in".getBytes()); p.getOutputStream().close(); System.out.println(new String(p.getInputStream().readAllBytes()) + p.waitFor());
  Files.write(Path.of("x"), List.of("a", "b")); System.out.println(Files.readAllLines(Path.of("x")) + " " + Files.size(Path.of("x"))); try { Object o = null; o.hashCode(); } catch (NullPointerException e) { System.out.println("npe"); }
  var ss = new java.net.ServerSocket(0, 5, java.net.InetAddress.getLoopbackAddress()); var t = new Thread(() -> { try (var c = ss.accept()) { c.getOutputStream().write("hi".getBytes()); } catch (Exception e) { System.out.println(e); } }); t.start();
  try (var c = new java.net.Socket(ss.getInetAddress(), ss.getLocalPort())) { System.out.println(new String(c.getInputStream().readAllBytes())); } t.join(); } }
END
javac T.java && java -Xmx128m T; echo "status $?"
