# SPDX-License-Identifier: Apache-2.0
# needs: java javac
# packages: default-jdk-headless
# Java's networking: an HTTP server and client, NIO selectors with 50 channels, datagrams, multicast, Unix sockets, timeouts.
cat > N.java <<'END'
import com.sun.net.httpserver.*; import java.io.*; import java.net.*; import java.net.http.*; import java.nio.*; import java.nio.channels.*; import java.nio.file.*; import java.util.*; import java.util.concurrent.*;
class N { public static void main(String[] a) throws Exception {
  var lo = InetAddress.getLoopbackAddress();
  var server = HttpServer.create(new InetSocketAddress(lo, 0), 50); server.setExecutor(Executors.newFixedThreadPool(4));
  server.createContext("/", x -> { byte[] b = x.getRequestBody().readAllBytes(); byte[] r = (x.getRequestMethod() + b.length).getBytes(); x.sendResponseHeaders(200, r.length); x.getResponseBody().write(r); x.close(); }); server.start();
  var client = HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).build(); var uri = URI.create("http://127.0.0.1:" + server.getAddress().getPort() + "/x");
  var all = new ArrayList<CompletableFuture<String>>(); for (int i = 0; i < 40; i++) all.add(client.sendAsync(HttpRequest.newBuilder(uri).POST(HttpRequest.BodyPublishers.ofString("y".repeat(i * 10))).build(), HttpResponse.BodyHandlers.ofString()).thenApply(HttpResponse::body));
  int good = 0; for (int i = 0; i < 40; i++) if (all.get(i).get().equals("POST" + i * 10)) good++; System.out.println("http " + good); server.stop(0);
  var ss = ServerSocketChannel.open().bind(new InetSocketAddress(lo, 0)); ss.configureBlocking(false); var sel = Selector.open(); ss.register(sel, SelectionKey.OP_ACCEPT);
  var socks = new ArrayList<SocketChannel>(); for (int i = 0; i < 50; i++) { var c = SocketChannel.open(ss.getLocalAddress()); c.write(ByteBuffer.wrap(("c" + i).getBytes())); socks.add(c); }
  int read = 0; while (read < 50 && sel.select(5000) > 0) { for (var k : sel.selectedKeys()) { if (k.isAcceptable()) { SocketChannel c; while ((c = ss.accept()) != null) { c.configureBlocking(false); c.register(sel, SelectionKey.OP_READ); } } else { var b = ByteBuffer.allocate(10); if (((SocketChannel) k.channel()).read(b) > 0) read++; k.cancel(); } } sel.selectedKeys().clear(); } System.out.println("nio " + read);
  var d = new DatagramSocket(0, lo); d.setSoTimeout(200); d.send(new DatagramPacket("self".getBytes(), 4, lo, d.getLocalPort())); var p = new DatagramPacket(new byte[10], 10); d.receive(p); System.out.println(new String(p.getData(), 0, p.getLength()));
  try { d.receive(p); } catch (SocketTimeoutException e) { System.out.println("timeout"); }
  var nif = NetworkInterface.getByInetAddress(lo); System.out.println(nif.getName() + " " + nif.isLoopback() + " " + nif.getMTU());
  var path = Path.of("j.sock"); var us = ServerSocketChannel.open(StandardProtocolFamily.UNIX).bind(UnixDomainSocketAddress.of(path)); var uc = SocketChannel.open(UnixDomainSocketAddress.of(path)); var ua = us.accept(); ua.write(ByteBuffer.wrap("unix".getBytes())); var b = ByteBuffer.allocate(10); uc.read(b); System.out.println(new String(b.array(), 0, b.position()));
  try { new Socket(lo, 1); } catch (ConnectException e) { System.out.println(e.getMessage()); }
  System.exit(0); } }
END
javac N.java && java -Xmx128m N; echo "status $?"
