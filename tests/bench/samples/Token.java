// A Java program that takes a token as Microsoft's page shows it: HttpURLConnection, and Jackson's
// streaming parser.
//
//   java Token [PATH [INTERVAL_MS COUNT]]

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import java.io.IOException;
import java.io.InputStream;
import java.net.HttpURLConnection;
import java.net.URL;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;

public final class Token {
  private static String ask() throws IOException {
    URL endpoint = new URL("http://169.254.169.254/metadata/identity/oauth2/token"
        + "?api-version=2018-02-01&resource=https%3A%2F%2Fjava.example%2F");
    HttpURLConnection connection = (HttpURLConnection) endpoint.openConnection();
    connection.setRequestMethod("GET");
    connection.setRequestProperty("Metadata", "true");
    if (connection.getResponseCode() != 200) {
      throw new IOException("HTTP status " + connection.getResponseCode());
    }
    try (InputStream body = connection.getInputStream();
         JsonParser parser = new JsonFactory().createParser(body)) {
      while (!parser.isClosed()) {
        JsonToken token = parser.nextToken();
        if (token == JsonToken.FIELD_NAME && parser.getCurrentName().equals("access_token")) {
          parser.nextToken();
          return parser.getValueAsString();
        }
      }
    }
    throw new IOException("the answer has no access_token");
  }

  private static void publish(String path, String token) throws IOException {
    Path temporary = Path.of(path + ".tmp");
    Files.write(temporary, token.getBytes(StandardCharsets.US_ASCII));
    Files.move(temporary, Path.of(path), StandardCopyOption.ATOMIC_MOVE);
  }

  public static void main(String[] arguments) throws Exception {
    int interval = arguments.length > 2 ? Integer.parseInt(arguments[1]) : 0;
    int count = arguments.length > 2 ? Integer.parseInt(arguments[2]) : 1;
    for (int turn = 1; ; ++turn) {
      String token = ask();
      if (arguments.length > 0) {
        publish(arguments[0], token);
      } else {
        System.out.print(token);
      }
      if (turn == count) return;
      Thread.sleep(interval);
    }
  }
}
